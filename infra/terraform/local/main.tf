# The AWS half on MiniStack: `script/up --terraform` applies it beside what the local cloud makes itself, under names of its
# own. Nothing in it runs by itself, so that nobody's messages are taken. MiniStack has no CodeDeploy and no Synthetics.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "local"
  secret_key                  = "local"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  max_retries                 = 1
  endpoints {
    apigatewayv2   = var.endpoint
    cloudwatch     = var.endpoint
    iam            = var.endpoint
    kms            = var.endpoint
    lambda         = var.endpoint
    logs           = var.endpoint
    s3             = var.endpoint
    scheduler      = var.endpoint
    secretsmanager = var.endpoint
    sns            = var.endpoint
    sqs            = var.endpoint
    sts            = var.endpoint
  }
  default_tags {
    tags = {
      application  = "souk"
      environment  = "local"
      "managed-by" = "terraform"
    }
  }
}

data "aws_caller_identity" "this" {}

locals {
  file      = jsondecode(file("${path.module}/../../souk.json"))
  functions = { for key, f in local.file.functions : key => f if !can(f.cloud_only) }
  spec = merge(local.file, {
    functions = local.functions
    schedules = { for key, s in local.file.schedules : key => s if contains(keys(local.functions), s.function) }
  })
  location = { region = "us-east-1", account_id = data.aws_caller_identity.this.account_id }
  name     = "souk-terraform"
  # What queues have is the region's to say.
  sources = toset(flatten([
    for f in local.functions : [
      for source in values(f.variables) : source if !startswith(source, "queue.") && !startswith(source, "dead_letters.") && source != "event_queues"
    ]
  ]))
}

resource "aws_kms_key" "this" {
  description             = "${local.name}: all of it"
  enable_key_rotation     = true
  deletion_window_in_days = 7
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "artefacts" {
  bucket        = "${local.name}-artefacts"
  force_destroy = true
}

resource "aws_s3_object" "zip" {
  for_each    = local.functions
  bucket      = aws_s3_bucket.artefacts.bucket
  key         = "local/souk-${each.key}.zip"
  source      = "${var.artefacts_dir}/souk-${each.key}.zip"
  source_hash = try(filemd5("${var.artefacts_dir}/souk-${each.key}.zip"), null)
}

module "region" {
  source             = "../modules/region"
  name               = local.name
  location           = local.location
  spec               = local.spec
  active             = true
  deliver            = false
  values             = { for source in local.sources : source => { text = lookup(var.values, source, "null"), arns = [] } }
  artefacts          = { bucket = aws_s3_bucket.artefacts.bucket, version = "local" }
  architecture       = var.architecture
  kms                = { arn = aws_kms_key.this.arn, alias = aws_kms_alias.this.name }
  log_retention_days = 1
  throttling         = { rate = 100, burst = 100 }
  kill               = { consumers = keys(local.spec.consumers), schedules = true, relay = true }
  alarms             = { detail = "essential", runbooks_url = "https://runbooks.invalid", page = [], ticket = [] }
  slo                = { availability_percent = 99.9, latency_p99_ms = 2500 }
  strategy           = { percent = 10, minutes = 1 }

  depends_on = [aws_s3_object.zip]
}
