# No mocks: they know no ephemeral resources. The values of ephemeral resources are in ../../tests/stub-data.json.
provider "aws" {
  region = "eu-central-1"
}

variables {
  name     = "souk-test"
  location = { region = "eu-central-1", account_id = "123456789012" }
  keys = {
    edge = { current = "a", generations = { a = 1, b = 2 } }
  }
  entrusted = { stripe-accounts = "Stripe's accounts" }
}

run "two_ids_are_live_and_one_signs" {
  command = plan
  assert {
    condition     = tolist(keys(jsondecode(output.rings["edge"].text))) == tolist(["edge-a1", "edge-b2"])
    error_message = "two live ids"
  }
  assert {
    condition     = output.rings["edge"].current_id == "edge-a1"
    error_message = "the current one signs"
  }
}

run "a_value_is_in_no_plan" {
  command = plan
  assert {
    condition     = aws_secretsmanager_secret_version.slot["edge-a"].secret_string == null && aws_secretsmanager_secret_version.slot["edge-a"].secret_string_wo_version == 1
    error_message = "a key would be in the state"
  }
  assert {
    condition     = !strcontains(output.rings["edge"].text, "0123456789abcdef") && strcontains(output.rings["edge"].text, "{{secret:souk-test/edge-a}}")
    error_message = "a key would be in an environment variable"
  }
}

run "a_new_generation_is_a_new_id" {
  command = plan
  variables {
    keys = { edge = { current = "a", generations = { a = 1, b = 3 } } }
  }
  assert {
    condition     = contains(keys(jsondecode(output.rings["edge"].text)), "edge-b3") && aws_secretsmanager_secret_version.slot["edge-b"].secret_string_wo_version == 3
    error_message = "functions would go on with the old key under the old id"
  }
  assert {
    condition     = output.rings["edge"].current_id == "edge-a1"
    error_message = "the new key signs before everybody knows it"
  }
}

run "a_slot_is_a_or_b" {
  command = plan
  variables {
    keys = { edge = { current = "c", generations = { a = 1, b = 1 } } }
  }
  expect_failures = [var.keys]
}

run "a_deleted_secret_can_be_had_back" {
  command = plan
  assert {
    condition     = alltrue([for s in merge(aws_secretsmanager_secret.slot, aws_secretsmanager_secret.entrusted) : s.recovery_window_in_days == 30])
    error_message = "deleted at once"
  }
}
