output "doorbell" {
  description = "The doorbell queue: outputs of the module `queue`."
  value       = module.doorbell
}
