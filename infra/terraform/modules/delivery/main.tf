resource "aws_codedeploy_app" "this" {
  region           = var.location.region
  name             = var.name
  compute_platform = "Lambda"
}

resource "aws_codedeploy_deployment_config" "canary" {
  region                 = var.location.region
  deployment_config_name = "${var.name}-canary-${var.strategy.percent}-percent-${var.strategy.minutes}-minutes"
  compute_platform       = "Lambda"
  traffic_routing_config {
    type = "TimeBasedCanary"
    time_based_canary {
      percentage = var.strategy.percent
      interval   = var.strategy.minutes
    }
  }
}

resource "aws_iam_role" "this" {
  name        = "${var.name}-${var.location.region}-delivery"
  description = "Lets CodeDeploy move the aliases of Souk's functions"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codedeploy.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.location.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "move-aliases"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "MoveAliases"
          Effect   = "Allow"
          Action   = ["lambda:GetAlias", "lambda:GetFunctionConfiguration", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"]
          Resource = flatten([for f in var.functions : ["arn:aws:lambda:${var.location.region}:${var.location.account_id}:function:${f.name}", "arn:aws:lambda:${var.location.region}:${var.location.account_id}:function:${f.name}:*"]])
        },
        {
          # CloudWatch offers no resource for reading the state of alarms.
          Sid      = "WatchAlarms"
          Effect   = "Allow"
          Action   = ["cloudwatch:DescribeAlarms"]
          Resource = ["*"]
        },
      ],
      var.hook == null ? [] : [{
        Sid      = "AskTheHook"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [var.hook.arn]
      }],
    )
  })
}

resource "aws_codedeploy_deployment_group" "this" {
  for_each               = var.functions
  region                 = var.location.region
  app_name               = aws_codedeploy_app.this.name
  deployment_group_name  = each.key
  service_role_arn       = aws_iam_role.this.arn
  deployment_config_name = aws_codedeploy_deployment_config.canary.deployment_config_name

  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }
  alarm_configuration {
    enabled                   = true
    alarms                    = concat([each.value.alarm], var.more_alarms)
    ignore_poll_alarm_failure = false
  }
  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
  }
}
