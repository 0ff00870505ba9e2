locals {
  # Written out rather than read from the resources, so that a plan shows the whole policy.
  place         = "${var.location.region}:${var.location.account_id}"
  arn           = "arn:aws:lambda:${local.place}:function:${var.name}"
  log_group_arn = "arn:aws:logs:${local.place}:log-group:/aws/lambda/${var.name}"
  base_statements = [
    {
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${local.log_group_arn}:log-stream:*"]
    },
    {
      # X-Ray knows no resources: its actions can only be allowed on all of them.
      Sid      = "Trace"
      Effect   = "Allow"
      Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      Resource = ["*"]
    },
  ]
  # The service manages network interfaces of functions in a VPC; it offers no narrower resource.
  network_statements = var.vpc == null ? [] : [{
    Sid    = "Network"
    Effect = "Allow"
    Action = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    Resource = ["*"]
  }]
  # What the function itself might be made to do must not reach the network's interfaces.
  network_denials = var.vpc == null ? [] : [{
    Sid    = "NetworkNotByTheFunction"
    Effect = "Deny"
    Action = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    Resource  = ["*"]
    Condition = { ArnEquals = { "lambda:SourceFunctionArn" = [local.arn] } }
  }]
  own_statements = [
    for s in var.statements : merge(
      { Sid = s.sid, Effect = "Allow", Action = s.actions, Resource = s.resources },
      length(s.conditions) == 0 ? {} : { Condition = s.conditions },
    )
  ]
  dead_letter_statements = var.dead_letters.queue_arn == null ? [] : [{
    Sid      = "DeadLetters"
    Effect   = "Allow"
    Action   = ["sqs:SendMessage"]
    Resource = [var.dead_letters.queue_arn]
  }]
}

resource "aws_cloudwatch_log_group" "this" {
  region            = var.location.region
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "this" {
  name        = "${var.name}-${var.location.region}"
  description = "What the function ${var.name} may do"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "function"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.base_statements,
      local.network_statements,
      local.network_denials,
      local.own_statements,
      local.dead_letter_statements,
    )
  })
}

resource "aws_lambda_function" "this" {
  region                         = var.location.region
  function_name                  = var.name
  description                    = var.description
  role                           = aws_iam_role.this.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  s3_bucket                      = var.artefact.bucket
  s3_key                         = var.artefact.key
  source_code_hash               = var.artefact.sha256_base64
  timeout                        = var.timeout_s
  memory_size                    = var.memory_mib
  layers                         = var.layers
  publish                        = true
  kms_key_arn                    = var.kms_key_arn
  reserved_concurrent_executions = var.enabled ? coalesce(var.concurrency_reserved, -1) : 0

  environment {
    variables = var.environment
  }
  tracing_config {
    mode = "Active"
  }
  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }
  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]
    content {
      subnet_ids                  = vpc_config.value.subnet_ids
      security_group_ids          = vpc_config.value.security_group_ids
      ipv6_allowed_for_dual_stack = vpc_config.value.ipv6
    }
  }

  # A function that starts before it may write its log leaves no trace of why it failed.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  region           = var.location.region
  name             = var.alias
  description      = "What callers call; a deployment moves it step by step"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version

  lifecycle {
    # CodeDeploy moves it, and moves it back.
    ignore_changes = [function_version, routing_config]
  }
}

resource "aws_lambda_function_event_invoke_config" "live" {
  region                       = var.location.region
  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = var.async_retries_max
  maximum_event_age_in_seconds = var.async_age_max_s

  dynamic "destination_config" {
    for_each = var.dead_letters.queue_arn == null ? [] : [var.dead_letters.queue_arn]
    content {
      on_failure {
        destination = destination_config.value
      }
    }
  }
}
