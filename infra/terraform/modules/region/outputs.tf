locals {
  lost = [
    for key, f in var.spec.functions : key
    if contains(f.egress, "internet") && contains(f.egress, "database") && var.vpc != null && !try(var.vpc.reaches_internet, true)
  ]
}

output "origin_url" {
  description = "Where the edge forwards to."
  value       = module.api.origin_url
}

output "functions" {
  description = "For each function its name, alias, version and deployment group, for the deployment."
  value = {
    for key, f in module.function : key => {
      name    = f.name
      alias   = f.alias
      version = f.version
      group   = try(module.delivery[0].groups[key].group, null)
    }
  }
  precondition {
    condition     = length(local.lost) == 0
    error_message = "In a VPC without NAT these functions do not reach the PSP or the tenants' systems: ${join(", ", local.lost)}. Set network.egress to nat, or use an external database, which needs no VPC."
  }
}

output "delivery_application" {
  description = "Name of the CodeDeploy application."
  value       = try(module.delivery[0].application, null)
}

output "delivery_hook" {
  description = "Name of the function that deployments ask before they move traffic."
  value       = try(module.delivery[0].hook, null)
}

output "topics" {
  description = "ARNs of the topics that pages and tickets go to."
  value       = module.observability.topics
}

output "queues" {
  description = "URLs of queues and of their dead letters."
  value       = { for key, queue in local.queues : key => { url = queue.url, dead_letter_name = queue.dead_letter_name } }
}

output "runbooks" {
  description = "Runbooks that alarms lead to."
  value       = module.observability.runbooks
}
