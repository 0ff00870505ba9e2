locals {
  bucket     = "${var.name}-trail-${var.location.account_id}"
  trail_arn  = "arn:aws:cloudtrail:${var.location.region}:${var.location.account_id}:trail/${var.name}"
  bucket_arn = "arn:aws:s3:::${local.bucket}"
}

resource "aws_s3_account_public_access_block" "this" {
  account_id              = var.location.account_id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_ebs_encryption_by_default" "this" {
  region  = var.location.region
  enabled = true
}

resource "aws_iam_account_password_policy" "this" {
  minimum_password_length        = 16
  require_lowercase_characters   = true
  require_uppercase_characters   = true
  require_numbers                = true
  require_symbols                = true
  password_reuse_prevention      = 24
  max_password_age               = 90
  allow_users_to_change_password = true
}

resource "aws_accessanalyzer_analyzer" "this" {
  region        = var.location.region
  analyzer_name = var.name
  type          = "ACCOUNT"
}

resource "aws_s3_bucket" "trail" {
  count  = var.trail ? 1 : 0
  region = var.location.region
  bucket = local.bucket
}

resource "aws_s3_bucket_public_access_block" "trail" {
  count                   = var.trail ? 1 : 0
  region                  = var.location.region
  bucket                  = aws_s3_bucket.trail[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "trail" {
  count  = var.trail ? 1 : 0
  region = var.location.region
  bucket = aws_s3_bucket.trail[0].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "trail" {
  count  = var.trail ? 1 : 0
  region = var.location.region
  bucket = aws_s3_bucket.trail[0].id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "trail" {
  count  = var.trail ? 1 : 0
  region = var.location.region
  bucket = aws_s3_bucket.trail[0].id
  rule {
    id     = "forget"
    status = "Enabled"
    filter {}
    expiration {
      days = var.trail_keep_days
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "trail" {
  count  = var.trail ? 1 : 0
  region = var.location.region
  bucket = aws_s3_bucket.trail[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TrailChecks"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:GetBucketAcl"
        Resource  = local.bucket_arn
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
      },
      {
        Sid       = "TrailWrites"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${local.bucket_arn}/AWSLogs/${var.location.account_id}/*"
        Condition = { StringEquals = { "s3:x-amz-acl" = "bucket-owner-full-control", "aws:SourceArn" = local.trail_arn } }
      },
      {
        Sid       = "OnlyByTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_cloudtrail" "this" {
  count                         = var.trail ? 1 : 0
  region                        = var.location.region
  name                          = var.name
  s3_bucket_name                = aws_s3_bucket.trail[0].id
  kms_key_id                    = var.kms_key_arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  depends_on                    = [aws_s3_bucket_policy.trail]
}

resource "aws_iam_service_linked_role" "config" {
  count            = var.config ? 1 : 0
  aws_service_name = "config.amazonaws.com"
}

resource "aws_config_configuration_recorder" "this" {
  count    = var.config ? 1 : 0
  region   = var.location.region
  name     = var.name
  role_arn = aws_iam_service_linked_role.config[0].arn
  recording_group {
    all_supported                 = true
    include_global_resource_types = true
  }
  recording_mode {
    recording_frequency = "DAILY"
  }
}
