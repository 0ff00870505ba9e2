variable "name" {
  description = "First part of all names, such as `souk-prod`."
  type        = string
}

variable "monthly_limit_usd" {
  description = "What a month may cost, in US dollars: `souk cost` computes it from the orders that are expected."
  type        = number
  validation {
    condition     = var.monthly_limit_usd > 0
    error_message = "More than nothing."
  }
}

variable "environment" {
  description = "Value of the tag `environment`, by which costs are told apart."
  type        = string
}

variable "addresses" {
  description = "Mail addresses that are told."
  type        = list(string)
  validation {
    condition     = length(var.addresses) > 0
    error_message = "A budget that tells nobody is none."
  }
}

variable "anomaly_usd" {
  description = "An anomaly of at least this many US dollars is told."
  type        = number
  default     = 20
}

variable "account_settings" {
  description = "Whether this environment makes what the account has once: the tags that costs are told apart by, and the monitor of anomalies."
  type        = bool
  default     = true
}
