output "vault_arn" {
  description = "ARN of the vault, for others that copy to it."
  value       = "arn:aws:backup:${var.location.region}:${var.location.account_id}:backup-vault:${var.name}"
}
