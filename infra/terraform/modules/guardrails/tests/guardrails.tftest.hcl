mock_provider "aws" {
  mock_resource "aws_iam_service_linked_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/aws-service-role/config.amazonaws.com/mock" }
  }
}

variables {
  name     = "souk-test"
  location = { region = "eu-central-1", account_id = "123456789012" }
}

run "no_bucket_is_public_whatever_its_policy_says" {
  command = plan
  assert {
    condition = (
      aws_s3_account_public_access_block.this.block_public_acls && aws_s3_account_public_access_block.this.block_public_policy &&
      aws_s3_account_public_access_block.this.ignore_public_acls && aws_s3_account_public_access_block.this.restrict_public_buckets
    )
    error_message = "a bucket can be public"
  }
}

run "every_call_leaves_a_trace_that_can_be_checked" {
  command = plan
  assert {
    condition     = aws_cloudtrail.this[0].is_multi_region_trail && aws_cloudtrail.this[0].enable_log_file_validation && aws_cloudtrail.this[0].include_global_service_events
    error_message = "calls can be hidden"
  }
  assert {
    condition     = length(aws_s3_bucket_public_access_block.trail) == 1 && length(aws_s3_bucket_server_side_encryption_configuration.trail) == 1
    error_message = "the trail itself is open"
  }
}

run "config_costs_and_is_off" {
  command = plan
  assert {
    condition     = length(aws_config_configuration_recorder.this) == 0
    error_message = "it costs with each change"
  }
}
