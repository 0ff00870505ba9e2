locals {
  # CloudWatch takes 255 characters and lower case.
  canary_name = "${var.name}-journey"
}

resource "aws_iam_role" "canary" {
  count       = var.canary == null ? 0 : 1
  name        = "${var.name}-${var.location.region}-journey"
  description = "The order journey: keeps its findings, counts, reads one API key"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "canary" {
  count = var.canary == null ? 0 : 1
  name  = "journey"
  role  = aws_iam_role.canary[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Findings"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["arn:aws:s3:::${var.canary.artefacts_bucket}/journey/*"]
      },
      {
        Sid      = "FindingsPlace"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation"]
        Resource = ["arn:aws:s3:::${var.canary.artefacts_bucket}"]
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:aws:logs:${local.place}:log-group:/aws/lambda/cwsyn-${local.canary_name}-*"]
      },
      {
        # Metrics know no resources; the namespace narrows it.
        Sid       = "Count"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = ["*"]
        Condition = { StringEquals = { "cloudwatch:namespace" = "CloudWatchSynthetics" } }
      },
      {
        Sid      = "ApiKey"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = ["arn:aws:secretsmanager:${local.place}:secret:${var.canary.api_key_secret}-??????"]
      },
    ]
  })
}

resource "aws_synthetics_canary" "journey" {
  count                    = var.canary == null ? 0 : 1
  region                   = var.location.region
  name                     = local.canary_name
  artifact_s3_location     = "s3://${var.canary.artefacts_bucket}/journey/"
  execution_role_arn       = aws_iam_role.canary[0].arn
  handler                  = "journey.handler"
  runtime_version          = "syn-nodejs-puppeteer-10.0"
  s3_bucket                = var.canary.bucket
  s3_key                   = var.canary.key
  start_canary             = true
  delete_lambda            = true
  success_retention_period = 7
  failure_retention_period = 31

  schedule {
    expression = var.canary.rate
  }
  run_config {
    timeout_in_seconds = 60
    active_tracing     = true
    environment_variables = {
      EDGE_URL       = var.canary.edge_url
      TENANT_HOST    = var.canary.host
      API_KEY_SECRET = var.canary.api_key_secret
      SKU            = var.canary.sku
    }
  }
  artifact_config {
    s3_encryption {
      encryption_mode = var.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
      kms_key_arn     = var.kms_key_arn
    }
  }
}
