mock_provider "aws" {}

variables {
  location = { region = "eu-central-1", account_id = "123456789012" }
  queue    = { arn = "arn:aws:sqs:eu-central-1:123456789012:events.fifo", name = "events.fifo", fifo = true, visibility_timeout_s = 180 }
  function = { name = "reader", alias_arn = "arn:aws:lambda:eu-central-1:123456789012:function:reader:live", role_name = "reader-function", timeout_s = 30 }
}

run "only_what_failed_comes_again" {
  command = plan
  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "one message that fails brings the whole batch back"
  }
  assert {
    condition     = endswith(aws_lambda_event_source_mapping.this.function_name, ":live")
    error_message = "it must feed the alias"
  }
}

run "a_message_stays_hidden_long_enough" {
  command = plan
  variables {
    queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:events.fifo", name = "events.fifo", fifo = true, visibility_timeout_s = 179 }
  }
  expect_failures = [aws_lambda_event_source_mapping.this]
}

run "the_window_counts_too" {
  command = plan
  variables {
    queue    = { arn = "arn:aws:sqs:eu-central-1:123456789012:bell", name = "bell", fifo = false, visibility_timeout_s = 180 }
    window_s = 1
  }
  expect_failures = [aws_lambda_event_source_mapping.this]
}

run "a_fifo_queue_knows_no_window" {
  command = plan
  variables {
    queue    = { arn = "arn:aws:sqs:eu-central-1:123456789012:events.fifo", name = "events.fifo", fifo = true, visibility_timeout_s = 600 }
    window_s = 5
  }
  expect_failures = [aws_lambda_event_source_mapping.this]
}

run "the_kill_switch_leaves_messages_where_they_are" {
  command = plan
  variables {
    enabled = false
  }
  assert {
    condition     = aws_lambda_event_source_mapping.this.enabled == false
    error_message = "it still reads"
  }
}

run "it_may_read_this_queue_only" {
  command = plan
  assert {
    condition     = jsondecode(aws_iam_role_policy.consume.policy).Statement[0].Resource == [var.queue.arn]
    error_message = "other queues too"
  }
}
