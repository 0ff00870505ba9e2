mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name      = "souk-test"
  location  = { region = "eu-central-1", account_id = "123456789012" }
  resources = ["arn:aws:rds:eu-central-1:123456789012:cluster:souk-test"]
  copies = {
    region  = "arn:aws:backup:eu-west-1:123456789012:backup-vault:souk-test"
    account = "arn:aws:backup:eu-central-1:210987654321:backup-vault:vault"
  }
}

run "each_backup_is_in_another_region_and_in_another_account" {
  assert {
    condition = alltrue([
      for r in aws_backup_plan.this.rule : toset([for c in r.copy_action : c.destination_vault_arn]) == toset(values(var.copies))
    ])
    error_message = "whoever deletes this account deletes the backups"
  }
  assert {
    condition     = length(aws_backup_plan.this.rule) == 2
    error_message = "each day and each month"
  }
}

run "a_locked_vault_keeps_backups_from_everybody" {
  command = plan
  variables {
    lock = true
  }
  assert {
    condition     = aws_backup_vault_lock_configuration.this[0].min_retention_days == 35
    error_message = "backups can be deleted early"
  }
}

run "a_backup_of_nothing_is_refused" {
  command = plan
  variables {
    resources = []
  }
  expect_failures = [var.resources]
}
