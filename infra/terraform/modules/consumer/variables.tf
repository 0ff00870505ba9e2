variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "queue" {
  description = "The queue that feeds the function: an output of the module `queue`."
  type        = object({ arn = string, name = string, fifo = bool, visibility_timeout_s = number })
}

variable "function" {
  description = "The function that is fed: an output of the module `function`."
  type        = object({ name = string, alias_arn = string, role_name = string, timeout_s = number })
}

variable "batch_size" {
  description = "Messages in a batch, at most: 1 to 10 for FIFO, 1 to 10000 else."
  type        = number
  default     = 10
}

variable "window_s" {
  description = "Seconds to wait for a batch to fill, 0 to 300; FIFO queues know no window."
  type        = number
  default     = 0
}

variable "concurrency_max" {
  description = "Batches at the same time, 2 to 1000; the queue's own limits when null."
  type        = number
  default     = null
  validation {
    condition     = var.concurrency_max == null ? true : var.concurrency_max >= 2 && var.concurrency_max <= 1000
    error_message = "SQS takes 2 to 1000."
  }
}

variable "enabled" {
  description = "The kill switch: false leaves messages in the queue until it is true again."
  type        = bool
  default     = true
}
