locals {
  # What AWS advises: room for the retries of a batch that was throttled.
  visibility_timeout_s_min = 6 * var.function.timeout_s + var.window_s
}

resource "aws_iam_role_policy" "consume" {
  name = "consume-${replace(var.queue.name, ".fifo", "")}"
  role = var.function.role_name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid    = "Consume"
      Effect = "Allow"
      Action = [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
      ]
      Resource = [var.queue.arn]
    }]
  })
}

resource "aws_lambda_event_source_mapping" "this" {
  region                             = var.location.region
  event_source_arn                   = var.queue.arn
  function_name                      = var.function.alias_arn
  enabled                            = var.enabled
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.queue.fifo ? null : var.window_s
  function_response_types            = ["ReportBatchItemFailures"]

  dynamic "scaling_config" {
    for_each = var.concurrency_max == null ? [] : [var.concurrency_max]
    content {
      maximum_concurrency = scaling_config.value
    }
  }

  lifecycle {
    precondition {
      condition     = var.queue.visibility_timeout_s >= local.visibility_timeout_s_min
      error_message = "Messages of ${var.queue.name} are hidden for ${var.queue.visibility_timeout_s} s, and ${var.function.name} needs ${local.visibility_timeout_s_min} s (six times its timeout, and the window): else they are delivered again while they are worked on."
    }
    precondition {
      condition     = !var.queue.fifo || (var.batch_size <= 10 && var.window_s == 0)
      error_message = "A FIFO queue gives at most 10 messages in a batch and knows no window."
    }
    precondition {
      condition     = var.batch_size <= 10 || var.window_s >= 1
      error_message = "More than 10 messages in a batch need a window of a second or more."
    }
  }

  depends_on = [aws_iam_role_policy.consume]
}
