mock_provider "aws" {
  mock_resource "aws_apigatewayv2_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:abc", api_endpoint = "https://abc.execute-api.eu-central-1.amazonaws.com" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:access" }
  }
}

variables {
  name     = "souk-test"
  location = { region = "eu-central-1", account_id = "123456789012" }
  functions = {
    orders   = { name = "souk-test-orders", alias = "live", alias_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/orders:live" }
    payments = { name = "souk-test-payments", alias = "live", alias_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/payments:live" }
  }
  routes = { "$default" = "orders", "ANY /v1/refunds" = "payments" }
}

run "routes_lead_to_aliases" {
  assert {
    condition     = alltrue([for i in aws_apigatewayv2_integration.this : endswith(i.integration_uri, ":live")])
    error_message = "a route past the alias is not taken back with a deployment"
  }
  assert {
    condition     = alltrue([for p in aws_lambda_permission.this : p.qualifier == "live" && p.source_account == "123456789012"])
    error_message = "others could call the function"
  }
}

run "there_is_always_an_answer_of_ours" {
  command = plan
  variables {
    routes = { "ANY /v1/refunds" = "payments" }
  }
  expect_failures = [var.routes]
}

run "the_kill_switch_answers_before_a_function_runs" {
  command = plan
  variables {
    enabled = false
  }
  assert {
    condition     = aws_apigatewayv2_stage.default.default_route_settings[0].throttling_rate_limit == 0 && aws_apigatewayv2_stage.default.default_route_settings[0].throttling_burst_limit == 0
    error_message = "requests still come through"
  }
}

run "the_access_log_tells_nothing_of_the_request" {
  command = plan
  assert {
    condition     = !can(regex("header|query|authoriz|identity|path", lower(aws_apigatewayv2_stage.default.access_log_settings[0].format)))
    error_message = "the log could hold a secret or a person"
  }
  assert {
    condition     = aws_cloudwatch_log_group.access.retention_in_days == 30
    error_message = "a log forgets"
  }
}

run "with_a_domain_the_other_door_is_closed" {
  command = plan
  variables {
    domain = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/c" }
  }
  assert {
    condition     = aws_apigatewayv2_api.this.disable_execute_api_endpoint && output.origin_url == "https://api.example.com"
    error_message = "two doors"
  }
}
