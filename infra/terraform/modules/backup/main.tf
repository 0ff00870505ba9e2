resource "aws_backup_vault" "this" {
  region      = var.location.region
  name        = var.name
  kms_key_arn = var.kms_key_arn
}

resource "aws_backup_vault_lock_configuration" "this" {
  count               = var.lock ? 1 : 0
  region              = var.location.region
  backup_vault_name   = aws_backup_vault.this.name
  min_retention_days  = var.keep_days.daily
  changeable_for_days = 3
}

resource "aws_backup_vault_notifications" "this" {
  count               = var.topic_arn == null ? 0 : 1
  region              = var.location.region
  backup_vault_name   = aws_backup_vault.this.name
  sns_topic_arn       = var.topic_arn
  backup_vault_events = ["BACKUP_JOB_FAILED", "COPY_JOB_FAILED", "RESTORE_JOB_COMPLETED"]
}

resource "aws_backup_plan" "this" {
  region = var.location.region
  name   = var.name

  dynamic "rule" {
    for_each = {
      daily   = { schedule = "cron(30 3 * * ? *)", keep_days = var.keep_days.daily }
      monthly = { schedule = "cron(30 4 1 * ? *)", keep_days = var.keep_days.monthly }
    }
    content {
      rule_name         = rule.key
      target_vault_name = aws_backup_vault.this.name
      schedule          = rule.value.schedule
      start_window      = 60
      completion_window = 360
      lifecycle {
        delete_after = rule.value.keep_days
      }
      dynamic "copy_action" {
        for_each = var.copies
        content {
          destination_vault_arn = copy_action.value
          lifecycle {
            delete_after = rule.value.keep_days
          }
        }
      }
    }
  }
}

resource "aws_iam_role" "this" {
  name        = "${var.name}-${var.location.region}-backup"
  description = "Lets AWS Backup back up and copy"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "backup.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.location.account_id } }
    }]
  })
}

# What AWS Backup needs changes with AWS Backup; the policy is AWS's own, for backups only: restores are done by people.
resource "aws_iam_role_policy_attachment" "this" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
}

resource "aws_backup_selection" "this" {
  region       = var.location.region
  name         = var.name
  plan_id      = aws_backup_plan.this.id
  iam_role_arn = aws_iam_role.this.arn
  resources    = var.resources
}
