variable "name" {
  description = "First part of the names of all secrets, such as `souk-prod`."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "kms_key_arn" {
  description = "Key that the secrets are encrypted with; the service's own when null."
  type        = string
  default     = null
}

variable "replicas" {
  description = "Other regions that get a copy of each secret, with the key there."
  type        = list(object({ region = string, kms_key_arn = optional(string) }))
  default     = []
}

variable "keys" {
  description = <<-TEXT
    Key rings by name that deployments rotate. Each has two slots, `a` and `b`, which are both live: what was signed with either is accepted.
    `current` is the slot to sign with. To rotate, raise the generation of the slot that is not current, deploy, and then
    make it the current one.
  TEXT
  type = map(object({
    current     = string
    generations = object({ a = number, b = number })
  }))
  validation {
    condition     = alltrue([for ring in var.keys : contains(["a", "b"], ring.current)])
    error_message = "The current slot is a or b."
  }
  validation {
    condition     = alltrue([for ring in var.keys : ring.generations.a >= 1 && ring.generations.b >= 1])
    error_message = "Generations begin with 1."
  }
}

variable "rotated" {
  description = "Names of rings that a function rotates: here they get their first key, `NAME-a1`, and nothing after that."
  type        = set(string)
  default     = []
}

variable "entrusted" {
  description = "Secrets whose values people put in, by name and what they are: Terraform makes the place and never sees the value."
  type        = map(string)
  default     = {}
  validation {
    condition = length(setintersection(keys(var.entrusted), concat(
      [for ring in var.rotated : "${ring}-ring"], flatten([for ring in keys(var.keys) : ["${ring}-a", "${ring}-b"]]),
    ))) == 0
    error_message = "A secret that people fill has the name of a key's: one would take the other's place."
  }
}

variable "recovery_days" {
  description = "Days for which a deleted secret can be had back, 7 to 30, or 0 to delete at once."
  type        = number
  default     = 30
}
