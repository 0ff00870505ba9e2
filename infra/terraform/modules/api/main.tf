locals {
  called = toset(values(var.routes))
}

resource "aws_apigatewayv2_api" "this" {
  region                       = var.location.region
  name                         = var.name
  description                  = "Origin of the edge: functions refuse what it has not signed"
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = var.domain != null
}

resource "aws_apigatewayv2_integration" "this" {
  for_each               = local.called
  region                 = var.location.region
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.functions[each.key].alias_invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 15000
}

resource "aws_apigatewayv2_route" "this" {
  for_each           = var.routes
  region             = var.location.region
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.value].id}"
  authorization_type = "NONE" # Functions verify the edge's signature over the request (ADR 0001).
}

resource "aws_lambda_permission" "this" {
  for_each       = local.called
  region         = var.location.region
  statement_id   = "http-api"
  action         = "lambda:InvokeFunction"
  function_name  = var.functions[each.key].name
  qualifier      = var.functions[each.key].alias
  principal      = "apigateway.amazonaws.com"
  source_account = var.location.account_id
  source_arn     = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}

resource "aws_cloudwatch_log_group" "access" {
  region            = var.location.region
  name              = "/souk/${var.name}/access"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_apigatewayv2_stage" "default" {
  region      = var.location.region
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    detailed_metrics_enabled = true
    throttling_rate_limit    = var.enabled ? var.throttling.rate : 0
    throttling_burst_limit   = var.enabled ? var.throttling.burst : 0
  }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    # No header, query or body: they may hold what must never be logged.
    format = jsonencode({
      time            = "$context.requestTime"
      request_id      = "$context.requestId"
      method          = "$context.httpMethod"
      route           = "$context.routeKey"
      status          = "$context.status"
      latency_ms      = "$context.responseLatency"
      function_ms     = "$context.integrationLatency"
      function_status = "$context.integrationStatus"
      function_error  = "$context.integrationErrorMessage"
      answer_bytes    = "$context.responseLength"
    })
  }
}

resource "aws_apigatewayv2_domain_name" "this" {
  count       = var.domain == null ? 0 : 1
  region      = var.location.region
  domain_name = var.domain.name
  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  count       = var.domain == null ? 0 : 1
  region      = var.location.region
  api_id      = aws_apigatewayv2_api.this.id
  domain_name = aws_apigatewayv2_domain_name.this[0].id
  stage       = aws_apigatewayv2_stage.default.id
}
