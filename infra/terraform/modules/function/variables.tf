variable "name" {
  description = "Name of the function: letters, digits and hyphens, at most 50, since names of its parts are made from it."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]{1,50}$", var.name))
    error_message = "At most 50 lower-case letters, digits and hyphens."
  }
}

variable "description" {
  description = "What the function is for, in one line."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "artefact" {
  description = "The zip with the binary called `bootstrap`: bucket, key and the SHA-256 of the zip in base64. A new key makes a new version."
  type        = object({ bucket = string, key = string, sha256_base64 = optional(string) })
}

variable "architecture" {
  description = "arm64 costs a fifth less for the same time; x86_64 where only that can be built."
  type        = string
  default     = "arm64"
  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "arm64 or x86_64."
  }
}

variable "timeout_s" {
  description = "Seconds after which an invocation is ended, 1 to 900."
  type        = number
  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900
    error_message = "1 to 900 seconds."
  }
}

variable "memory_mib" {
  description = "Memory in MiB, 128 to 10240; processor time grows with it."
  type        = number
  default     = 256
  validation {
    condition     = var.memory_mib >= 128 && var.memory_mib <= 10240
    error_message = "128 to 10240 MiB."
  }
}

variable "environment" {
  description = "Environment variables. Secrets are named here by their ARNs, never written here."
  type        = map(string)
  default     = {}
}

variable "statements" {
  description = "What the function may do besides writing its own log and traces. A `*` as an action, as the end of an action, or as a resource needs a reason in `wildcard_reason`."
  type = list(object({
    sid             = string
    actions         = list(string)
    resources       = list(string)
    conditions      = optional(map(map(list(string))), {})
    wildcard_reason = optional(string, "")
  }))
  default = []
  validation {
    condition = alltrue([
      for s in var.statements :
      length(trimspace(s.wildcard_reason)) > 20 ||
      !(contains(s.resources, "*") || anytrue([for a in s.actions : strcontains(a, "*")]))
    ])
    error_message = "An action with `*`, or the resource `*`, needs a wildcard_reason of more than 20 characters."
  }
}

variable "kms_key_arn" {
  description = "Key for the environment variables and the log; the services' own keys when null."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which the log is kept."
  type        = number
  default     = 30
  validation {
    condition     = var.log_retention_days >= 1
    error_message = "A log that is kept for ever costs for ever: name a number of days."
  }
}

variable "vpc" {
  description = "Subnets and security groups to run in; outside of any VPC when null."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string), ipv6 = optional(bool, false) })
  default     = null
}

variable "concurrency_reserved" {
  description = "Invocations at the same time that are kept for this function and that it cannot exceed; no limit of its own when null."
  type        = number
  default     = null
}

variable "enabled" {
  description = "The kill switch: false lets no invocation in, whatever calls, until it is true again. Nothing is deleted."
  type        = bool
  default     = true
}

variable "dead_letters" {
  description = "Where what failed goes: the ARN of a queue, for functions that are invoked asynchronously, or else the reason why there is none."
  type        = object({ queue_arn = optional(string), reason = optional(string, "") })
  validation {
    condition     = (var.dead_letters.queue_arn != null) != (length(var.dead_letters.reason) > 10)
    error_message = "Either the ARN of a queue or a reason of more than 10 characters, not both."
  }
}

variable "async_retries_max" {
  description = "Repetitions of an asynchronous invocation that failed, 0 to 2."
  type        = number
  default     = 0
}

variable "async_age_max_s" {
  description = "Seconds for which an asynchronous invocation is kept before it is given up, 60 to 21600."
  type        = number
  default     = 60
}

variable "layers" {
  description = "ARNs of layer versions, such as one with the certificates of the database."
  type        = list(string)
  default     = []
}

variable "alias" {
  description = "Name of the alias that everything calls."
  type        = string
  default     = "live"
}
