variable "name" {
  description = "First part of all names, such as `souk-prod`."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "kms_key_arn" {
  description = "Key for the topics and the canary's pictures."
  type        = string
  default     = null
}

variable "detail" {
  description = "`full`: all alarms. `essential`: errors, dead letters and the pulse only, which fit in what AWS gives for nothing."
  type        = string
  default     = "full"
  validation {
    condition     = contains(["full", "essential"], var.detail)
    error_message = "full or essential."
  }
}

variable "runbooks_url" {
  description = "Where the folder docs/runbooks is for whoever is woken, without a slash at its end."
  type        = string
}

variable "subscribers" {
  description = "Mail addresses that pages and tickets go to."
  type        = object({ page = list(string), ticket = list(string) })
}

variable "functions" {
  description = "Functions by their short names: outputs of the module `function`, and the runbook for their errors."
  type = map(object({
    name           = string
    alias          = optional(string)
    timeout_s      = number
    log_group_name = string
    runbook        = string
    errors_max     = optional(number, 5)
  }))
}

variable "queues" {
  description = "Queues by their short names: outputs of the module `queue`, the age in seconds of their oldest message that is too much, and runbooks."
  type = map(object({
    name                   = string
    dead_letter_name       = string
    oldest_message_alarm_s = number
    oldest_message_runbook = string
    dead_letters_runbook   = string
  }))
}

variable "metrics" {
  description = "Alarms on what functions tell of themselves in the namespace `Souk`, by a short name, as infra/souk.json has them."
  type = map(object({
    metric     = string
    dimensions = map(string)
    statistic  = string
    threshold  = number
    severity   = string
    runbook    = string
    what       = string
  }))
  default = {}
}

variable "pulse" {
  description = "The function that a schedule wakes at least each five minutes: when it does not run, nothing is relayed. Null where the schedule is slower."
  type        = object({ function = string, runbook = string })
  default     = null
}

variable "api" {
  description = "Id of the HTTP API."
  type        = object({ id = string })
}

variable "database" {
  description = "The Aurora cluster of this region, and whether it follows another region's; null with an external database."
  type        = object({ name = string, capacity_max_acu = number, follows = optional(bool, false) })
  default     = null
}

variable "slo" {
  description = "The share of requests that are answered without a fault of ours, in percent, over 30 days; and the milliseconds within which 99 % are answered."
  type        = object({ availability_percent = number, latency_p99_ms = number })
  default     = { availability_percent = 99.9, latency_p99_ms = 2500 }
  validation {
    condition     = var.slo.availability_percent > 90 && var.slo.availability_percent < 100
    error_message = "Between 90 and 100: 100 leaves no budget to burn."
  }
}

variable "canary" {
  description = "A journey through the edge, each few minutes: the zip of `canary/`, where to call, and the secret with the key of a tenant made for it. None when null."
  type = object({
    bucket           = string
    key              = string
    artefacts_bucket = string
    rate             = string
    edge_url         = string
    host             = string
    api_key_secret   = string
    sku              = string
  })
  default = null
}
