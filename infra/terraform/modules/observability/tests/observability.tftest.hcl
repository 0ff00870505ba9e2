mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:mock" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name         = "souk-test"
  location     = { region = "eu-central-1", account_id = "123456789012" }
  runbooks_url = "https://runbooks.example"
  subscribers  = { page = ["oncall@example.com"], ticket = [] }
  functions = {
    orders  = { name = "souk-test-orders", alias = "live", timeout_s = 10, log_group_name = "/aws/lambda/souk-test-orders", runbook = "function-errors" }
    sweeper = { name = "souk-test-sweeper", alias = "live", timeout_s = 30, log_group_name = "/aws/lambda/souk-test-sweeper", runbook = "function-errors" }
  }
  queues = {
    webhooks = { name = "souk-test-webhooks.fifo", dead_letter_name = "souk-test-webhooks-dlq.fifo", oldest_message_alarm_s = 900, oldest_message_runbook = "queue-falls-behind", dead_letters_runbook = "dead-letters" }
  }
  api      = { id = "abc" }
  database = { name = "souk-test", capacity_max_acu = 4 }
  pulse    = { function = "souk-test-outbox-relay", runbook = "schedules-dead" }
}

run "every_function_and_every_queue_has_its_alarms" {
  command = plan
  assert {
    condition = length(setsubtract(
      ["orders-errors", "orders-throttles", "orders-duration", "sweeper-errors", "sweeper-throttles", "sweeper-duration", "webhooks-dead-letters", "webhooks-oldest-message"],
      keys(aws_cloudwatch_metric_alarm.this),
    )) == 0
    error_message = "something can fail unseen"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["webhooks-dead-letters"].dimensions["QueueName"] == "souk-test-webhooks-dlq.fifo" && aws_cloudwatch_metric_alarm.this["webhooks-dead-letters"].threshold == 0
    error_message = "one dead letter is enough"
  }
}

run "few_alarms_are_still_the_ones_that_matter" {
  command = plan
  variables {
    detail = "essential"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["orders-errors", "sweeper-errors", "webhooks-dead-letters", "pulse"])
    error_message = "errors, dead letters and the pulse"
  }
}

run "every_alarm_tells_its_runbook_and_reaches_somebody" {
  assert {
    condition     = alltrue([for a in aws_cloudwatch_metric_alarm.this : can(regex("https://runbooks.example/[a-z-]+[.]md$", a.alarm_description)) && length(a.alarm_actions) == 1])
    error_message = "an alarm that tells nobody what to do"
  }
  assert {
    condition     = length(aws_sns_topic_subscription.mail) == 1
    error_message = "nobody is told"
  }
}

run "the_budget_burns_as_the_workbook_says" {
  command = plan
  assert {
    condition = (
      abs(aws_cloudwatch_metric_alarm.burn["fast-long"].threshold - 0.0144) < 0.000001 &&
      abs(aws_cloudwatch_metric_alarm.burn["medium-long"].threshold - 0.006) < 0.000001 &&
      abs(aws_cloudwatch_metric_alarm.burn["slow-long"].threshold - 0.003) < 0.000001
    )
    error_message = "99.9 %: 14.4, 6 and 3 times the budget's own rate"
  }
  assert {
    condition     = alltrue([for c in aws_cloudwatch_composite_alarm.burn : strcontains(c.alarm_rule, " AND ")])
    error_message = "both windows, or the alarm stays long after the fault"
  }
}

run "a_dead_schedule_is_an_alarm_because_nothing_happens" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["pulse"].treat_missing_data == "breaching"
    error_message = "no data is what a dead schedule looks like"
  }
}

run "the_canary_reads_one_key" {
  command = plan
  variables {
    canary = { bucket = "artefacts", key = "v1/journey.zip", artefacts_bucket = "findings", rate = "rate(5 minutes)", edge_url = "https://shop.example", host = "canary.example", api_key_secret = "souk-test/canary-api-key", sku = "CANARY" }
  }
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.canary[0].policy).Statement : s.Resource if s.Sid == "ApiKey"]) == ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:souk-test/canary-api-key-??????"]
    error_message = "it reads other secrets"
  }
  assert {
    condition     = contains(keys(aws_cloudwatch_metric_alarm.this), "journey")
    error_message = "nobody hears that it fails"
  }
}
