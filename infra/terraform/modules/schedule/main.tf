resource "aws_iam_role" "this" {
  name        = "${var.name}-schedule-${var.location.region}"
  description = "Lets the schedule ${var.name} invoke ${var.function.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.location.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "invoke"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Invoke"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = [var.function.alias_arn]
    }]
  })
}

resource "aws_scheduler_schedule" "this" {
  region              = var.location.region
  name                = var.name
  description         = "Invokes ${var.function.name}, whatever else wakes it"
  schedule_expression = var.rate
  state               = var.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = var.function.alias_arn
    role_arn = aws_iam_role.this.arn
    input    = jsonencode({ source = "souk.sweep" })
    # The next run does what this one has not done.
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }
}
