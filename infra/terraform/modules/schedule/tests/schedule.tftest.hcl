mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name     = "souk-test-sweep"
  location = { region = "eu-central-1", account_id = "123456789012" }
  rate     = "rate(1 minute)"
  function = { name = "relay", alias_arn = "arn:aws:lambda:eu-central-1:123456789012:function:relay:live" }
}

run "it_may_invoke_that_alias_only" {
  command = plan
  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[0].Resource == [var.function.alias_arn]
    error_message = "it may invoke more"
  }
  assert {
    condition     = aws_scheduler_schedule.this.target[0].retry_policy[0].maximum_retry_attempts == 0
    error_message = "runs that failed pile up"
  }
}

run "the_kill_switch_stops_it" {
  command = plan
  variables {
    enabled = false
  }
  assert {
    condition     = aws_scheduler_schedule.this.state == "DISABLED"
    error_message = "it still runs"
  }
}

run "nonsense_is_refused" {
  command = plan
  variables {
    rate = "every minute"
  }
  expect_failures = [var.rate]
}
