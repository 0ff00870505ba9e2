locals {
  slots = merge([
    for ring, settings in var.keys : {
      for slot, generation in settings.generations : "${ring}-${slot}" => {
        ring       = ring
        generation = generation
        id         = "${ring}-${slot}${generation}"
      }
    }
  ]...)
  secret_arn = "arn:aws:secretsmanager:${var.location.region}:${var.location.account_id}:secret"
}

# 32 characters out of 62: 190 bits. It is opened while applying and is in no state and no plan.
ephemeral "aws_secretsmanager_random_password" "slot" {
  for_each                   = local.slots
  region                     = var.location.region
  password_length            = 32
  exclude_punctuation        = true
  require_each_included_type = false
}

resource "aws_secretsmanager_secret" "slot" {
  for_each                = local.slots
  region                  = var.location.region
  name                    = "${var.name}/${each.key}"
  description             = "Key ${each.key} of the ring ${each.value.ring}, in base64"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days

  dynamic "replica" {
    for_each = var.replicas
    content {
      region     = replica.value.region
      kms_key_id = replica.value.kms_key_arn
    }
  }
}

resource "aws_secretsmanager_secret_version" "slot" {
  for_each                 = local.slots
  region                   = var.location.region
  secret_id                = aws_secretsmanager_secret.slot[each.key].id
  secret_string_wo         = base64encode(ephemeral.aws_secretsmanager_random_password.slot[each.key].random_password)
  secret_string_wo_version = each.value.generation
}

# Rings that a function rotates: it writes what comes after the first value. The version here is never raised, so that
# Terraform never writes again.
ephemeral "aws_secretsmanager_random_password" "ring" {
  for_each                   = var.rotated
  region                     = var.location.region
  password_length            = 32
  exclude_punctuation        = true
  require_each_included_type = false
}

resource "aws_secretsmanager_secret" "ring" {
  for_each                = var.rotated
  region                  = var.location.region
  name                    = "${var.name}/${each.key}-ring"
  description             = "The keys of the ring ${each.key}, which of them signs, and how far its rotation is"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days

  dynamic "replica" {
    for_each = var.replicas
    content {
      region     = replica.value.region
      kms_key_id = replica.value.kms_key_arn
    }
  }
}

resource "aws_secretsmanager_secret_version" "ring" {
  for_each  = var.rotated
  region    = var.location.region
  secret_id = aws_secretsmanager_secret.ring[each.key].id
  secret_string_wo = jsonencode({
    keys  = { "${each.key}-a1" = base64encode(ephemeral.aws_secretsmanager_random_password.ring[each.key].random_password) }
    signs = "${each.key}-a1"
  })
  secret_string_wo_version = 1
}

resource "aws_secretsmanager_secret" "entrusted" {
  for_each                = var.entrusted
  region                  = var.location.region
  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days

  dynamic "replica" {
    for_each = var.replicas
    content {
      region     = replica.value.region
      kms_key_id = replica.value.kms_key_arn
    }
  }
}
