variable "name" {
  description = "First part of all names, such as `souk-prod`."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "trail" {
  description = "Whether a trail of all calls of the AWS API is kept: one for an account costs the storage only. False where the organization has one."
  type        = bool
  default     = true
}

variable "trail_keep_days" {
  description = "Days for which the trail is kept."
  type        = number
  default     = 400
}

variable "kms_key_arn" {
  description = "Key of the trail's bucket; S3's own when null."
  type        = string
  default     = null
}

variable "config" {
  description = "Whether AWS Config records changes of resources; about 0.003 USD for each."
  type        = bool
  default     = false
}
