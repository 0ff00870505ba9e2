output "name" {
  description = "First part of the name of everything."
  value       = module.souk.name
}

output "active_region" {
  description = "The region that works."
  value       = module.souk.active_region
}

output "home_region" {
  description = "The region that secrets are written in."
  value       = module.souk.home_region
}

output "artefacts_buckets" {
  description = "For each region the bucket with artefacts."
  value       = module.souk.artefacts_buckets
}

output "functions" {
  description = "For each region its functions, with name, alias, version and deployment group."
  value       = module.souk.functions
}

output "delivery_application" {
  description = "Name of the CodeDeploy application in each region."
  value       = module.souk.delivery_application
}

output "delivery_hook" {
  description = "In each region, the name of the function that deployments ask before they move traffic."
  value       = module.souk.delivery_hook
}

output "origin_url" {
  description = "Where the edge forwards to."
  value       = module.souk.origin_url
}

output "edge" {
  description = "The worker, its newest version, its KV namespaces, and which key it signs with: the id and the name of the secret."
  value       = module.souk.edge
}

output "database" {
  description = "The Aurora cluster, and the name of the secret with the owner's password."
  value       = module.souk.database
}

output "runbooks" {
  description = "Runbooks that alarms lead to."
  value       = module.souk.runbooks
}

output "artefact_version" {
  description = "The version that was applied."
  value       = module.souk.artefact_version
}
