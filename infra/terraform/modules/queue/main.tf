locals {
  suffix   = var.fifo ? ".fifo" : ""
  name     = "${var.name}${local.suffix}"
  dlq_name = "${var.name}-dlq${local.suffix}"
  place    = "${var.location.region}:${var.location.account_id}"
  # Written out rather than read from the queues, so that policies are known when a plan is made.
  arn     = "arn:aws:sqs:${local.place}:${local.name}"
  dlq_arn = "arn:aws:sqs:${local.place}:${local.dlq_name}"
  has_dlq = var.dead_letters.none_because == ""
}

resource "aws_sqs_queue" "this" {
  region                            = var.location.region
  name                              = local.name
  fifo_queue                        = var.fifo
  deduplication_scope               = var.fifo ? "messageGroup" : null
  fifo_throughput_limit             = var.fifo ? "perMessageGroupId" : null
  visibility_timeout_seconds        = var.visibility_timeout_s
  message_retention_seconds         = var.retention_s
  max_message_size                  = var.message_bytes_max
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  redrive_policy = !local.has_dlq ? null : jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[0].arn
    maxReceiveCount     = var.dead_letters.receives_max
  })
}

resource "aws_sqs_queue" "dead" {
  count                             = local.has_dlq ? 1 : 0
  region                            = var.location.region
  name                              = local.dlq_name
  fifo_queue                        = var.fifo
  message_retention_seconds         = var.dead_letters.retention_s
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 3600
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  count     = local.has_dlq ? 1 : 0
  region    = var.location.region
  queue_url = aws_sqs_queue.dead[0].id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this.arn]
  })
}

resource "aws_sqs_queue_policy" "this" {
  for_each  = merge({ queue = local.arn }, local.has_dlq ? { dead = local.dlq_arn } : {})
  region    = var.location.region
  queue_url = each.key == "queue" ? aws_sqs_queue.this.id : aws_sqs_queue.dead[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          # A denial is for everybody, and for all that can be done.
          Sid       = "OnlyByTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "sqs:*"
          Resource  = each.value
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "OnlyThisAccountAndItsServices"
          Effect    = "Deny"
          Principal = "*"
          Action    = "sqs:*"
          Resource  = each.value
          Condition = {
            StringNotEquals = { "aws:PrincipalAccount" = var.location.account_id }
            BoolIfExists    = { "aws:PrincipalIsAWSService" = "false" }
          }
        },
      ],
      each.key != "queue" ? [] : [
        for service, source in var.senders : {
          Sid       = replace(title(replace(service, ".", " ")), " ", "")
          Effect    = "Allow"
          Principal = { Service = service }
          Action    = "sqs:SendMessage"
          Resource  = each.value
          Condition = { ArnEquals = { "aws:SourceArn" = source } }
        }
      ],
    )
  })
}
