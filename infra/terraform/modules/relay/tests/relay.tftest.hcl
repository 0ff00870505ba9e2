mock_provider "aws" {
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:mock", url = "https://sqs.example/mock" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name     = "souk-test"
  location = { region = "eu-central-1", account_id = "123456789012" }
  function = { name = "souk-test-outbox-relay", alias_arn = "arn:aws:lambda:eu-central-1:123456789012:function:souk-test-outbox-relay:live", role_name = "r", timeout_s = 30 }
  doorbell = { receives_max = 5, visibility_timeout_s = 180, retention_s = 3600, dead_letter_retention_s = 1209600, batch_size = 10, concurrency_max = 2 }
  sweep    = { name = "outbox-sweep", rate = "rate(1 minute)" }
}

run "a_ring_and_a_sweep_both_wake_it" {
  assert {
    condition     = output.doorbell.name == "souk-test-doorbell" && !output.doorbell.fifo
    error_message = "the doorbell is a standard queue"
  }
  assert {
    condition     = output.doorbell.dead_letter_name == "souk-test-doorbell-dlq"
    error_message = "rings that nobody can answer must be seen"
  }
  assert {
    condition     = module.sweep.name == "souk-test-outbox-sweep" && module.sweep.rate == "rate(1 minute)"
    error_message = "a lost ring is lost for ever"
  }
}

run "a_ring_stays_hidden_while_it_is_answered" {
  command = plan
  variables {
    doorbell = { receives_max = 5, visibility_timeout_s = 60, retention_s = 3600, dead_letter_retention_s = 1209600, batch_size = 10, concurrency_max = 2 }
  }
  expect_failures = [var.doorbell]
}
