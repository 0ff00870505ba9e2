variable "name" {
  description = "Name of the queue, without the suffix `.fifo`, which a FIFO queue gets by itself."
  type        = string
  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,66}$", var.name))
    error_message = "At most 66 letters, digits, hyphens and underscores, without `.fifo`."
  }
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "fifo" {
  description = "In order, by message group, each message once in five minutes; in high throughput mode."
  type        = bool
  default     = false
}

variable "visibility_timeout_s" {
  description = "Seconds for which a message that was received is hidden, 0 to 43200. A consumer wants six times its function's timeout."
  type        = number
}

variable "retention_s" {
  description = "Seconds after which a message that nobody took is gone, 60 to 1209600."
  type        = number
  default     = 1209600
}

variable "message_bytes_max" {
  description = "Bytes of the largest message, 1024 to 1048576."
  type        = number
  default     = 1048576
}

variable "kms_key_arn" {
  description = "Key for messages at rest; the service's own when null."
  type        = string
  default     = null
}

variable "dead_letters" {
  description = "A queue for what was received `receives_max` times and never deleted, or else the reason why there is none."
  type = object({
    receives_max = optional(number, 5)
    retention_s  = optional(number, 1209600)
    none_because = optional(string, "")
  })
  default = {}
  validation {
    condition     = length(var.dead_letters.none_because) == 0 || length(var.dead_letters.none_because) > 10
    error_message = "A reason of more than 10 characters."
  }
  validation {
    condition     = var.dead_letters.receives_max >= 2 && var.dead_letters.receives_max <= 1000
    error_message = "2 to 1000: one receive is lost whenever a function is cut off in the middle of a batch."
  }
}

variable "senders" {
  description = "Services that may send, such as `events.amazonaws.com`, by the ARN for which they do so. Roles of this account send by their own policies."
  type        = map(string)
  default     = {}
}
