variable "endpoint" {
  description = "Where MiniStack is: on this machine, and nowhere else."
  type        = string
  validation {
    condition     = can(regex("^http://(127\\.0\\.0\\.1|localhost):[0-9]+$", var.endpoint))
    error_message = "http://127.0.0.1:PORT: nothing of this belongs into a real account."
  }
}

variable "artefacts_dir" {
  description = "Folder with the functions' zips, as `cargo xtask package` fills it."
  type        = string
}

variable "architecture" {
  description = "What the functions were built for: that of this machine."
  type        = string
  default     = "x86_64"
}

variable "values" {
  description = "Values of sources of infra/souk.json that functions shall have, such as `shards.app`. The others get none."
  type        = map(string)
  default     = {}
  sensitive   = false
}
