variable "name" {
  description = "First part of all names, such as `souk-prod`."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "functions" {
  description = "Functions that are deployed step by step, by their short names, and the alarm that takes each one's deployment back."
  type        = map(object({ name = string, alias = string, alarm = string }))
  validation {
    condition     = alltrue([for f in var.functions : length(f.alarm) > 0])
    error_message = "Without an alarm nothing takes a bad deployment back."
  }
}

variable "more_alarms" {
  description = "Alarms that take any deployment back, such as the one on the order journey."
  type        = list(string)
  default     = []
}

variable "strategy" {
  description = "How traffic moves to a new version: a first share, minutes to watch it, then all."
  type        = object({ percent = number, minutes = number })
  default     = { percent = 10, minutes = 5 }
  validation {
    condition     = var.strategy.percent >= 1 && var.strategy.percent <= 50 && var.strategy.minutes >= 1
    error_message = "At most half of the traffic goes to a version that nobody has seen working, for a minute at least: all at once is not offered."
  }
}

variable "hook" {
  description = "Name and ARN of the function that CodeDeploy asks before it moves any traffic; a deployment's revision has to name it too. None when null."
  type        = object({ name = string, arn = string })
  default     = null
}
