mock_provider "aws" {
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:mock", url = "https://sqs.example/mock" }
  }
}

variables {
  name                 = "souk-test-events"
  location             = { region = "eu-central-1", account_id = "123456789012" }
  visibility_timeout_s = 180
}

run "what_fails_too_often_goes_to_the_dead_letters" {
  assert {
    condition     = length(aws_sqs_queue.dead) == 1 && jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5
    error_message = "no dead letters: a message that cannot be handled blocks its group until it is lost"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead[0].arn
    error_message = "the dead letters go elsewhere"
  }
  assert {
    condition     = aws_sqs_queue.dead[0].message_retention_seconds == 1209600
    error_message = "dead letters must outlive a long weekend: 14 days"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead[0].redrive_allow_policy).redrivePermission == "byQueue"
    error_message = "any queue could send its dead letters here"
  }
}

run "none_without_a_reason" {
  command = plan
  variables {
    dead_letters = { none_because = "no" }
  }
  expect_failures = [var.dead_letters]
}

run "a_fifo_queue_orders_by_group_and_so_do_its_dead_letters" {
  command = plan
  variables {
    fifo = true
  }
  assert {
    condition     = aws_sqs_queue.this.name == "souk-test-events.fifo" && aws_sqs_queue.dead[0].name == "souk-test-events-dlq.fifo"
    error_message = "SQS wants the suffix"
  }
  assert {
    condition     = aws_sqs_queue.this.fifo_throughput_limit == "perMessageGroupId" && aws_sqs_queue.this.deduplication_scope == "messageGroup"
    error_message = "300 messages a second for all orders together"
  }
  assert {
    condition     = aws_sqs_queue.dead[0].fifo_queue
    error_message = "a FIFO queue can only have a FIFO queue for its dead letters"
  }
}

run "it_is_encrypted_with_and_without_a_key" {
  command = plan
  assert {
    condition     = aws_sqs_queue.this.sqs_managed_sse_enabled && aws_sqs_queue.dead[0].sqs_managed_sse_enabled
    error_message = "messages lie there as they are"
  }
}

run "it_takes_a_key" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/k"
  }
  assert {
    condition     = aws_sqs_queue.this.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead[0].kms_master_key_id == var.kms_key_arn
    error_message = "not that key"
  }
}

run "no_way_in_without_tls_or_from_elsewhere" {
  command = plan
  assert {
    condition = alltrue([
      for p in aws_sqs_queue_policy.this : toset([for s in jsondecode(p.policy).Statement : s.Sid if s.Effect == "Deny"]) == toset(["OnlyByTls", "OnlyThisAccountAndItsServices"])
    ])
    error_message = "a denial is missing"
  }
}
