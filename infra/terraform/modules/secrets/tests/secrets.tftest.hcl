# No mocks: they know no ephemeral resources. The values of ephemeral resources are in ../../tests/stub-data.json.
provider "aws" {
  region = "eu-central-1"
}

variables {
  name     = "souk-test"
  location = { region = "eu-central-1", account_id = "123456789012" }
  keys = {
    quote = { current = "a", generations = { a = 1, b = 2 } }
  }
  rotated   = ["edge"]
  entrusted = { stripe-accounts = "Stripe's accounts" }
}

run "two_ids_are_live_and_one_signs" {
  command = plan
  assert {
    condition     = tolist(keys(jsondecode(output.rings["quote"].text))) == tolist(["quote-a1", "quote-b2"])
    error_message = "two live ids"
  }
  assert {
    condition     = output.rings["quote"].current_id == "quote-a1"
    error_message = "the current one signs"
  }
}

run "a_value_is_in_no_plan" {
  command = plan
  assert {
    condition     = aws_secretsmanager_secret_version.this["quote-a"].secret_string == null && aws_secretsmanager_secret_version.this["quote-a"].secret_string_wo_version == 1
    error_message = "a key would be in the state"
  }
  assert {
    condition     = !strcontains(output.rings["quote"].text, "0123456789abcdef") && strcontains(output.rings["quote"].text, "{{secret:souk-test/quote-a}}")
    error_message = "a key would be in an environment variable"
  }
}

run "a_new_generation_is_a_new_id" {
  command = plan
  variables {
    keys = { quote = { current = "a", generations = { a = 1, b = 3 } } }
  }
  assert {
    condition     = contains(keys(jsondecode(output.rings["quote"].text)), "quote-b3") && aws_secretsmanager_secret_version.this["quote-b"].secret_string_wo_version == 3
    error_message = "functions would go on with the old key under the old id"
  }
  assert {
    condition     = output.rings["quote"].current_id == "quote-a1"
    error_message = "the new key signs before everybody knows it"
  }
}

run "a_slot_is_a_or_b" {
  command = plan
  variables {
    keys = { quote = { current = "c", generations = { a = 1, b = 1 } } }
  }
  expect_failures = [var.keys]
}

run "what_the_rotation_writes_is_never_written_over" {
  command = plan
  variables {
    keys = { quote = { current = "b", generations = { a = 7, b = 9 } } }
  }
  assert {
    condition     = aws_secretsmanager_secret_version.this["edge-ring"].secret_string_wo_version == 1 && aws_secretsmanager_secret_version.this["edge-ring"].secret_string == null
    error_message = "a deployment would put the first key back: nothing that is signed now would be accepted"
  }
  assert {
    condition     = output.rotated["edge"].text == "{{secret:souk-test/edge-ring}}" && !contains(keys(output.rings), "edge")
    error_message = "functions read the ring by its name, each time anew"
  }
}

run "a_deleted_secret_can_be_had_back" {
  command = plan
  assert {
    condition     = alltrue([for s in aws_secretsmanager_secret.this : s.recovery_window_in_days == 30])
    error_message = "deleted at once"
  }
}

run "each_secret_has_its_place_and_people_fill_theirs" {
  command = plan
  assert {
    condition     = toset(keys(aws_secretsmanager_secret.this)) == toset(["quote-a", "quote-b", "edge-ring", "stripe-accounts"])
    error_message = "a secret is missing, or one too many"
  }
  assert {
    condition     = !contains(keys(aws_secretsmanager_secret_version.this), "stripe-accounts")
    error_message = "Terraform would write over what people have put in"
  }
}

run "what_people_fill_never_takes_a_keys_place" {
  command = plan
  variables {
    entrusted = { edge-ring = "somebody's" }
  }
  expect_failures = [var.entrusted]
}
