variable "name" {
  description = "Name of the API."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "functions" {
  description = "The functions that answer, by a short name: outputs of the module `function`."
  type        = map(object({ name = string, alias = string, alias_invoke_arn = string }))
}

variable "routes" {
  description = "Route keys, such as `ANY /v1/products` or `$default`, and which of the functions answers."
  type        = map(string)
  validation {
    condition     = contains(keys(var.routes), "$default")
    error_message = "Without $default what has no route is answered by API Gateway, in a form that no client of ours knows."
  }
}

variable "throttling" {
  description = "Requests a second that all clients together may make, and how many may come at once beyond that. The edge limits single clients; this limits cost."
  type        = object({ rate = number, burst = number })
  default     = { rate = 500, burst = 1000 }
  validation {
    condition     = var.throttling.rate > 0 && var.throttling.burst > 0
    error_message = "To let nothing in use `enabled`."
  }
}

variable "enabled" {
  description = "The kill switch: false answers every request 429 before a function runs."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days for which the access log is kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key for the access log."
  type        = string
  default     = null
}

variable "domain" {
  description = "A name of one's own, with its certificate in this region; the address that AWS gives is closed then."
  type        = object({ name = string, certificate_arn = string })
  default     = null
}
