output "origin_url" {
  description = "The HTTP API that was made."
  value       = module.region.origin_url
}

output "functions" {
  description = "The functions that were made."
  value       = [for f in module.region.functions : f.name]
}

output "queues" {
  description = "The queues that were made."
  value       = [for q in module.region.queues : q.url]
}
