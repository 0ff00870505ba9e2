locals {
  # Rings that deployments rotate: a secret for each slot.
  slots = merge([
    for ring, settings in var.keys : {
      for slot, generation in settings.generations : "${ring}-${slot}" => {
        what       = "Key ${ring}-${slot} of the ring ${ring}, in base64"
        id         = "${ring}-${slot}${generation}"
        generation = generation
        whole_ring = false
      }
    }
  ]...)
  # Rings that a function rotates: one secret, and the function writes what comes after the first value. The generation
  # is never raised, so that Terraform never writes again.
  rings = {
    for ring in var.rotated : "${ring}-ring" => {
      what       = "The keys of the ring ${ring}, which of them signs, and how far its rotation is"
      id         = "${ring}-a1"
      generation = 1
      whole_ring = true
    }
  }
  made       = merge(local.slots, local.rings)
  secrets    = merge({ for name, secret in local.made : name => secret.what }, var.entrusted)
  secret_arn = "arn:aws:secretsmanager:${var.location.region}:${var.location.account_id}:secret"
}

# 32 characters out of 62: 190 bits. It is opened while applying and is in no state and no plan.
ephemeral "aws_secretsmanager_random_password" "this" {
  for_each                   = local.made
  region                     = var.location.region
  password_length            = 32
  exclude_punctuation        = true
  require_each_included_type = false
}

resource "aws_secretsmanager_secret" "this" {
  for_each                = local.secrets
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

resource "aws_secretsmanager_secret_version" "this" {
  for_each  = local.made
  region    = var.location.region
  secret_id = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo = each.value.whole_ring ? jsonencode({
    keys  = { (each.value.id) = base64encode(ephemeral.aws_secretsmanager_random_password.this[each.key].random_password) }
    signs = each.value.id
  }) : base64encode(ephemeral.aws_secretsmanager_random_password.this[each.key].random_password)
  secret_string_wo_version = each.value.generation
}
