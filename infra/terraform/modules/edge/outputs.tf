output "worker" {
  description = "Name of the worker."
  value       = cloudflare_worker.this.name
}

output "version_id" {
  description = "Id of the version that was made last; the deployment gives it traffic."
  value       = cloudflare_worker_version.this.id
}

output "kv_namespace_ids" {
  description = "Ids of the KV namespaces by their bindings."
  value       = { for name, kv in cloudflare_workers_kv_namespace.this : name => kv.id }
}
