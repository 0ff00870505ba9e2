variable "name" {
  description = "First part of all names, such as `souk-prod`."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "spec" {
  description = "The content of infra/souk.json."
  type        = any
}

variable "active" {
  description = "Whether this region works. In one that only stands by, no queue feeds a function and no schedule runs."
  type        = bool
}

variable "values" {
  description = "What functions find their database and their keys by, under the names that infra/souk.json uses: texts without secrets, and the secrets to be allowed with each."
  type        = map(object({ text = string, arns = list(string) }))
}

variable "deliver" {
  description = "Whether new versions get their traffic step by step, by CodeDeploy; false where there is none, as in the local cloud."
  type        = bool
  default     = true
}

variable "home" {
  description = "Whether secrets are written in this region; others have copies."
  type        = bool
  default     = true
}

variable "rings" {
  description = "Rings of keys that a function rotates, under the names that infra/souk.json uses: the secret's name, and its ARNs to be allowed."
  type        = map(object({ text = string, arns = list(string) }))
  default     = {}
}

variable "artefacts" {
  description = "The bucket of this region with what was built, and the version to deploy: the zips are under `VERSION/`."
  type        = object({ bucket = string, version = string })
}

variable "architecture" {
  description = "What the functions were built for: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "vpc" {
  description = "Subnets and security groups of functions, and whether they reach the internet; null without a VPC, where they do."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string), reaches_internet = bool, dual_stack = bool })
  default     = null
}

variable "layers" {
  description = "ARNs of layers of all functions that use the database."
  type        = list(string)
  default     = []
}

variable "kms" {
  description = "The region's key: its ARN, and its alias, by which roles are allowed to use it."
  type        = object({ arn = string, alias = string })
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
}

variable "throttling" {
  description = "Requests a second that all clients together may make, and how many at once beyond that."
  type        = object({ rate = number, burst = number })
}

variable "domain" {
  description = "The API's own name with its certificate in this region; null for the one AWS gives."
  type        = object({ name = string, certificate_arn = string })
  default     = null
}

variable "sweep_rate" {
  description = "Instead of each minute, for environments whose database is to pause; null for what infra/souk.json says."
  type        = string
  default     = null
}

variable "concurrency" {
  description = "Concurrency that is reserved for a function, by its short name."
  type        = map(number)
  default     = {}
}

variable "kill" {
  description = "Kill switches: functions that let nothing in, consumers that leave messages in their queues, and whether schedules, the relay and the API stand still."
  type = object({
    functions = optional(set(string), [])
    consumers = optional(set(string), [])
    schedules = optional(bool, false)
    relay     = optional(bool, false)
    api       = optional(bool, false)
  })
  default = {}
}

variable "alarms" {
  description = "How closely to watch, where runbooks are, and who is told."
  type = object({
    detail       = string
    runbooks_url = string
    page         = list(string)
    ticket       = list(string)
  })
}

variable "slo" {
  description = "The service level objective: see the module `observability`."
  type        = object({ availability_percent = number, latency_p99_ms = number })
}

variable "database" {
  description = "The Aurora cluster of this region, and whether it follows another region's; null with an external database."
  type        = object({ name = string, capacity_max_acu = number, follows = bool })
  default     = null
}

variable "canary" {
  description = "The order journey: see the module `observability`. None when null."
  type = object({
    artefacts_bucket = string
    rate             = string
    edge_url         = string
    host             = string
    api_key_secret   = string
    sku              = string
  })
  default = null
}

variable "strategy" {
  description = "How traffic moves to a new version: see the module `delivery`."
  type        = object({ percent = number, minutes = number })
}
