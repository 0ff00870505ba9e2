output "name" {
  description = "First part of the name of everything."
  value       = local.name
}

output "active_region" {
  description = "The region that works."
  value       = var.active_region
}

output "home_region" {
  description = "The region that secrets are written in."
  value       = var.home_region
}

output "artefacts_buckets" {
  description = "For each region the bucket with artefacts."
  value       = { for region, settings in var.regions : region => settings.artefacts_bucket }
}

output "functions" {
  description = "For each region its functions, with name, alias, version and deployment group."
  value       = { for region, r in module.region : region => r.functions }
}

output "delivery_application" {
  description = "Name of the CodeDeploy application in each region."
  value       = { for region, r in module.region : region => r.delivery_application }
}

output "delivery_hook" {
  description = "In each region, the name of the function that deployments ask before they move traffic."
  value       = { for region, r in module.region : region => r.delivery_hook }
}

output "origin_url" {
  description = "Where the edge forwards to."
  value       = module.region[var.active_region].origin_url
}

output "edge" {
  description = "The worker, its newest version, its KV namespaces, and the name of the secret that says which key it signs with."
  value = {
    worker              = module.edge.worker
    version_id          = module.edge.version_id
    kv_namespace_ids    = module.edge.kv_namespace_ids
    signing_ring_secret = module.secrets.rotated["edge"].name
    hosts               = var.cloudflare.hosts
    account_id          = var.cloudflare.account_id
  }
}

output "database" {
  description = "The Aurora cluster, and the name of the secret with the owner's password."
  value       = { cluster = module.database.cluster, owner_secret = module.database.owner_secret }
}

output "runbooks" {
  description = "Runbooks that alarms lead to."
  value       = distinct(flatten([for r in module.region : r.runbooks]))
}

output "artefact_version" {
  description = "The version that was applied."
  value       = var.artefact_version
}
