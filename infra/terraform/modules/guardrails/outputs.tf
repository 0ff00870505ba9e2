output "trail_bucket" {
  description = "Name of the bucket with the trail; null without one."
  value       = var.trail ? local.bucket : null
}
