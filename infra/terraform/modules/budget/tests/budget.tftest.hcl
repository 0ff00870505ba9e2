mock_provider "aws" {
  mock_resource "aws_ce_anomaly_monitor" {
    defaults = { arn = "arn:aws:ce::123456789012:anomalymonitor/mock" }
  }
}

variables {
  name              = "souk-test"
  monthly_limit_usd = 50
  environment       = "test"
  addresses         = ["cost@example.com"]
}

run "it_tells_before_the_money_is_gone" {
  command = plan
  assert {
    condition     = contains([for n in aws_budgets_budget.monthly.notification : n.notification_type], "FORECASTED")
    error_message = "told when it is too late"
  }
  assert {
    condition     = alltrue([for n in aws_budgets_budget.monthly.notification : n.subscriber_email_addresses == toset(["cost@example.com"])])
    error_message = "nobody is told"
  }
  assert {
    condition     = one(aws_budgets_budget.monthly.cost_filter).values == tolist(["user:environment$test"])
    error_message = "another environment's costs count"
  }
}

run "costs_are_told_apart_by_the_mandatory_tags" {
  command = plan
  assert {
    condition     = toset(keys(aws_ce_cost_allocation_tag.this)) == toset(["application", "environment", "managed-by"])
    error_message = "a tag that no bill shows"
  }
}

run "a_budget_tells_somebody" {
  command = plan
  variables {
    addresses = []
  }
  expect_failures = [var.addresses]
}
