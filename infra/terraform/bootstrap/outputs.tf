output "backend" {
  description = "What goes into each environment's backend.hcl, with a key of its own."
  value = {
    bucket     = local.state
    region     = var.region
    kms_key_id = aws_kms_key.state.arn
  }
}

output "artefacts_buckets" {
  description = "What goes into each environment's regions."
  value       = { for key, bucket in local.artefacts : bucket.region => bucket.name }
}

output "deploy_roles" {
  description = "What GitHub's environments get as the variable AWS_ROLE."
  value       = { for environment, role in aws_iam_role.deploy : environment => role.arn }
}

output "plan_role" {
  description = "What the repository gets as the variable AWS_PLAN_ROLE."
  value       = aws_iam_role.plan.arn
}
