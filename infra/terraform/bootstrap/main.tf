# What must be there before anything else: where states and artefacts lie, and who may deploy. Applied once, by a person.
provider "aws" {
  region = var.region
  default_tags {
    tags = {
      application  = var.application
      environment  = "bootstrap"
      "managed-by" = "terraform"
    }
  }
}

data "aws_caller_identity" "this" {}

locals {
  account_id = data.aws_caller_identity.this.account_id
  state      = "${var.application}-state-${local.account_id}"
  buckets = merge(
    { state = { name = local.state, region = var.region } },
    { for region in var.artefact_regions : "artefacts-${region}" => { name = "${var.application}-artefacts-${local.account_id}-${region}", region = region } },
  )
  artefacts = { for key, bucket in local.buckets : key => bucket if key != "state" }
  oidc_host = "token.actions.githubusercontent.com"
}

resource "aws_kms_key" "state" {
  region                  = var.region
  description             = "States of Terraform"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      # Without it nobody could ever change the key again.
      Sid       = "Account"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "state" {
  region        = var.region
  name          = "alias/${var.application}-state"
  target_key_id = aws_kms_key.state.key_id
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = each.value.name

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  region                  = each.value.region
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "state" ? "aws:kms" : "AES256"
      kms_master_key_id = each.key == "state" ? aws_kms_key.state.arn : null
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    id     = "forget"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.artefact_keep_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  region   = each.value.region
  bucket   = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyByTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::${each.value.name}", "arn:aws:s3:::${each.value.name}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://${local.oidc_host}"
  client_id_list = ["sts.amazonaws.com"]
}

# Deploys: whoever can push to a protected environment of the repository, and nobody by a key that lies around.
resource "aws_iam_role" "deploy" {
  for_each             = var.environments
  name                 = "${var.application}-${each.key}-deploy"
  description          = "Deploys ${each.key} from GitHub Actions"
  max_session_duration = 7200
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Condition = { StringEquals = {
        "${local.oidc_host}:aud" = "sts.amazonaws.com"
        "${local.oidc_host}:sub" = "repo:${var.repository}:environment:${each.key}"
      } }
    }]
  })
}

# Everything but IAM and the organization. A deployment makes whatever the modules have; an account is for Souk alone.
resource "aws_iam_role_policy_attachment" "deploy" {
  for_each   = var.environments
  role       = aws_iam_role.deploy[each.key].name
  policy_arn = "arn:aws:iam::aws:policy/PowerUserAccess"
}

resource "aws_iam_role_policy" "deploy_roles" {
  for_each = var.environments
  name     = "roles-of-its-environment"
  role     = aws_iam_role.deploy[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "OwnRoles"
        Effect = "Allow"
        Action = [
          "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
          "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
          "iam:ListRolePolicies", "iam:ListRoleTags", "iam:PassRole", "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole",
          "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
        ]
        Resource = ["arn:aws:iam::${local.account_id}:role/${var.application}-${each.key}-*"]
      },
      {
        Sid      = "NotItself"
        Effect   = "Deny"
        Action   = ["iam:AttachRolePolicy", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"]
        Resource = ["arn:aws:iam::${local.account_id}:role/${var.application}-*-deploy", "arn:aws:iam::${local.account_id}:role/${var.application}-plan"]
      },
      {
        # The password policy of an account has no name.
        Sid      = "PasswordPolicy"
        Effect   = "Allow"
        Action   = ["iam:DeleteAccountPasswordPolicy", "iam:GetAccountPasswordPolicy", "iam:UpdateAccountPasswordPolicy"]
        Resource = ["*"]
      },
    ]
  })
}

# Plans: pull requests read, they change nothing, and they see no secret.
resource "aws_iam_role" "plan" {
  name        = "${var.application}-plan"
  description = "Plans for pull requests and the nightly search for drift"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Condition = { StringEquals = {
        "${local.oidc_host}:aud" = "sts.amazonaws.com"
        "${local.oidc_host}:sub" = ["repo:${var.repository}:pull_request", "repo:${var.repository}:ref:refs/heads/main"]
      } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.plan.name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_iam_role_policy" "plan" {
  name = "state-and-no-secret"
  role = aws_iam_role.plan.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "NoSecret"
        Effect   = "Deny"
        Action   = ["secretsmanager:GetSecretValue", "sqs:ReceiveMessage", "s3:GetObjectVersion"]
        Resource = ["*"]
      },
      {
        Sid      = "ReadState"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [aws_kms_key.state.arn]
      },
      {
        # An ephemeral resource is opened by plans too; it makes a random text and keeps none.
        Sid      = "EphemeralPasswords"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetRandomPassword"]
        Resource = ["*"]
      },
    ]
  })
}
