output "mandatory_tags" {
  description = "Tags that everything must have."
  value       = local.mandatory_tags
}
