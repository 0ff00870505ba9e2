variable "application" {
  description = "First part of the names of all."
  type        = string
  default     = "souk"
}

variable "region" {
  description = "Where the state is."
  type        = string
}

variable "artefact_regions" {
  description = "Regions that functions run in: Lambda reads code from buckets of its own region only."
  type        = set(string)
}

variable "repository" {
  description = "The GitHub repository that may deploy, `OWNER/NAME`."
  type        = string
  validation {
    condition     = can(regex("^[^/*]+/[^/*]+$", var.repository))
    error_message = "OWNER/NAME, without a star."
  }
}

variable "environments" {
  description = "GitHub environments that may deploy; protection rules are set there."
  type        = set(string)
  default     = ["dev", "staging", "prod"]
}

variable "artefact_keep_days" {
  description = "Days for which a version that is no longer current in the bucket is kept. Versions that may be rolled back to lie under names of their own and stay."
  type        = number
  default     = 90
}
