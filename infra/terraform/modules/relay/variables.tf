variable "name" {
  description = "First part of all names, such as `souk-prod`."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "function" {
  description = "The relay's function: an output of the module `function`."
  type        = object({ name = string, alias_arn = string, role_name = string, timeout_s = number })
}

variable "doorbell" {
  description = "The doorbell's settings, as infra/souk.json has them."
  type = object({
    receives_max            = number
    visibility_timeout_s    = number
    retention_s             = number
    dead_letter_retention_s = number
    batch_size              = number
    concurrency_max         = number
  })
  validation {
    condition     = var.doorbell.visibility_timeout_s >= 6 * var.function.timeout_s
    error_message = "A ring must stay hidden for six times the relay's timeout, or it is rung again while it is answered."
  }
}

variable "sweep" {
  description = "Name and rate of the schedule that wakes the relay when no doorbell rang."
  type        = object({ name = string, rate = string })
}

variable "kms_key_arn" {
  description = "Key for the queues; the service's own when null."
  type        = string
  default     = null
}

variable "enabled" {
  description = "The kill switch: false, and events wait in the outbox."
  type        = bool
  default     = true
}
