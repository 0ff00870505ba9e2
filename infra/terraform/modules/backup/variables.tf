variable "name" {
  description = "First part of all names, such as `souk-prod`."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "kms_key_arn" {
  description = "Key of the vault; AWS Backup's own when null."
  type        = string
  default     = null
}

variable "resources" {
  description = "ARNs of what is backed up, such as the Aurora cluster."
  type        = list(string)
  validation {
    condition     = length(var.resources) > 0
    error_message = "A backup of nothing restores nothing."
  }
}

variable "copies" {
  description = "ARNs of vaults that each backup is copied to: one in another region, one in another account. Whoever takes this account over must not reach both."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for arn in var.copies : can(regex("^arn:aws:backup:[a-z0-9-]+:[0-9]{12}:backup-vault:", arn))])
    error_message = "ARNs of backup vaults."
  }
}

variable "keep_days" {
  description = "Days for which daily and monthly backups are kept."
  type        = object({ daily = number, monthly = number })
  default     = { daily = 35, monthly = 365 }
}

variable "lock" {
  description = "Nobody can delete a backup before `keep_days.daily`, not even the root user, once three days have passed. It cannot be undone: on for production."
  type        = bool
  default     = false
}

variable "topic_arn" {
  description = "Where failures are told."
  type        = string
  default     = null
}
