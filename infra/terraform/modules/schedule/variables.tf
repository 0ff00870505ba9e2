variable "name" {
  description = "Name of the schedule."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "rate" {
  description = "When: `rate(1 minute)`, or `cron(…)` in UTC."
  type        = string
  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.rate))
    error_message = "rate(…) or cron(…)."
  }
}

variable "function" {
  description = "The function to invoke: an output of the module `function`."
  type        = object({ name = string, alias_arn = string })
}

variable "enabled" {
  description = "The kill switch."
  type        = bool
  default     = true
}
