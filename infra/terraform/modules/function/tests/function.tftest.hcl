mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name         = "souk-test-orders"
  description  = "a test"
  location     = { region = "eu-central-1", account_id = "123456789012" }
  artefact     = { bucket = "artefacts", key = "v1/souk-orders.zip" }
  timeout_s    = 10
  dead_letters = { reason = "called and answered at once" }
}

run "what_is_cheap_and_safe_is_the_default" {
  command = plan
  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.runtime == "provided.al2023"
    error_message = "arm64 on provided.al2023"
  }
  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "a version for each artefact, and no limit of its own"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "a log forgets"
  }
  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "traced"
  }
}

run "without_statements_it_may_log_and_trace_and_nothing_else" {
  command = plan
  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Action])) == toset([
      "logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
    ])
    error_message = "a role that may more than log and trace"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[0].Resource == ["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/souk-test-orders:log-stream:*"]
    error_message = "it may write to other functions' logs"
  }
}

run "statements_are_taken_as_they_are" {
  command = plan
  variables {
    statements = [{ sid = "Ring", actions = ["sqs:SendMessage"], resources = ["arn:aws:sqs:eu-central-1:123456789012:bell"] }]
  }
  assert {
    condition     = contains([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Sid], "Ring")
    error_message = "the statement is missing"
  }
}

run "a_star_needs_a_reason" {
  command = plan
  variables {
    statements = [{ sid = "All", actions = ["sqs:SendMessage"], resources = ["*"] }]
  }
  expect_failures = [var.statements]
}

run "a_star_in_an_action_needs_a_reason" {
  command = plan
  variables {
    statements = [{ sid = "All", actions = ["sqs:*"], resources = ["arn:aws:sqs:eu-central-1:123456789012:bell"] }]
  }
  expect_failures = [var.statements]
}

run "the_kill_switch_lets_nothing_in" {
  command = plan
  variables {
    enabled              = false
    concurrency_reserved = 10
  }
  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 0
    error_message = "it still runs"
  }
}

run "failures_go_somewhere_or_there_is_a_reason" {
  command = plan
  variables {
    dead_letters = {}
  }
  expect_failures = [var.dead_letters]
}

run "in_a_vpc_its_own_code_may_not_touch_the_network" {
  command = plan
  variables {
    vpc = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }
  assert {
    condition = anytrue([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement :
      s.Effect == "Deny" && contains(s.Action, "ec2:CreateNetworkInterface")
    ])
    error_message = "what takes the function over could make network interfaces"
  }
}

run "everybody_calls_the_alias" {
  assert {
    condition     = output.alias_arn == "arn:aws:lambda:eu-central-1:123456789012:function:souk-test-orders:live"
    error_message = "callers must follow the alias, or a deployment cannot be taken back"
  }
  assert {
    condition     = aws_lambda_function_event_invoke_config.live.qualifier == "live"
    error_message = "the settings of asynchronous calls belong to the alias"
  }
}
