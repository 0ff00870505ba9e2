output "application" {
  description = "Name of the CodeDeploy application."
  value       = aws_codedeploy_app.this.name
}

output "hook" {
  description = "Name of the function that a deployment's revision has to name, to be asked before any traffic moves."
  value       = try(var.hook.name, null)
}

output "groups" {
  description = "For each function: its name, its alias, and its deployment group."
  value       = { for key, f in var.functions : key => { function = f.name, alias = f.alias, group = aws_codedeploy_deployment_group.this[key].deployment_group_name } }
}
