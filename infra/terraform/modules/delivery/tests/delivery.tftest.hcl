mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name      = "souk-test"
  location  = { region = "eu-central-1", account_id = "123456789012" }
  functions = { orders = { name = "souk-test-orders", alias = "live", alarm = "souk-test-orders-errors" } }
}

run "a_tenth_for_five_minutes_by_default" {
  command = plan
  assert {
    condition = (
      aws_codedeploy_deployment_config.canary.traffic_routing_config[0].type == "TimeBasedCanary" &&
      aws_codedeploy_deployment_config.canary.traffic_routing_config[0].time_based_canary[0].percentage == 10 &&
      aws_codedeploy_deployment_config.canary.traffic_routing_config[0].time_based_canary[0].interval == 5
    )
    error_message = "not a canary"
  }
  assert {
    condition     = alltrue([for g in aws_codedeploy_deployment_group.this : g.deployment_config_name == aws_codedeploy_deployment_config.canary.deployment_config_name])
    error_message = "a group moves all traffic at once"
  }
}

run "all_at_once_is_not_offered" {
  command = plan
  variables {
    strategy = { percent = 100, minutes = 5 }
  }
  expect_failures = [var.strategy]
}

run "an_alarm_takes_it_back" {
  command = plan
  assert {
    condition = alltrue([
      for g in aws_codedeploy_deployment_group.this :
      g.alarm_configuration[0].enabled && contains(g.alarm_configuration[0].alarms, "souk-test-orders-errors") && g.auto_rollback_configuration[0].enabled
      && contains(g.auto_rollback_configuration[0].events, "DEPLOYMENT_STOP_ON_ALARM")
    ])
    error_message = "a bad version stays"
  }
}

run "no_function_without_an_alarm" {
  command = plan
  variables {
    functions = { orders = { name = "souk-test-orders", alias = "live", alarm = "" } }
  }
  expect_failures = [var.functions]
}

run "the_hook_may_be_asked_and_is_named" {
  command = plan
  variables {
    hook = { name = "souk-test-pre-traffic", arn = "arn:aws:lambda:eu-central-1:123456789012:function:souk-test-pre-traffic" }
  }
  assert {
    condition = output.hook == "souk-test-pre-traffic" && contains([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : jsonencode(s.Resource) if s.Sid == "AskTheHook"
    ], jsonencode(["arn:aws:lambda:eu-central-1:123456789012:function:souk-test-pre-traffic"]))
    error_message = "nobody looks at a new version before it has traffic"
  }
}
