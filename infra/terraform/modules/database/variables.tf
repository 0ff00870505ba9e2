variable "name" {
  description = "First part of all names."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "kms_key_arn" {
  description = "Key for storage, secrets, logs and insights; the services' own when null."
  type        = string
  default     = null
}

variable "engine" {
  description = "`aurora`: Aurora PostgreSQL Serverless v2 in a VPC. `external`: a Postgres that somebody else runs, such as Neon."
  type        = string
  validation {
    condition     = contains(["aurora", "external"], var.engine)
    error_message = "aurora or external."
  }
}

variable "shard" {
  description = "Name of the shard that this database is."
  type        = string
  default     = "main"
}

variable "logins" {
  description = "The roles that log in: each function has the one that its work needs, none has the owner's but the migration."
  type        = map(string)
  default = {
    owner            = "souk_owner"
    app              = "souk_app"
    relay            = "souk_relay"
    sweeper          = "souk_sweeper"
    directory_reader = "souk_directory_reader"
  }
  validation {
    condition     = toset(keys(var.logins)) == toset(["owner", "app", "relay", "sweeper", "directory_reader"])
    error_message = "owner, app, relay, sweeper and directory_reader."
  }
  validation {
    condition     = length(distinct(values(var.logins))) == length(var.logins)
    error_message = "Two roles with one login: row level security keeps tenants apart because the functions' role owns nothing."
  }
}

variable "password_generations" {
  description = "Raised to give a role a new password. See the runbook rotate-keys."
  type        = map(number)
  default     = { owner = 1, app = 1, relay = 1, sweeper = 1, directory_reader = 1 }
}

variable "secret_replicas" {
  description = "Other regions that get a copy of each password, with the key there."
  type        = list(object({ region = string, kms_key_arn = optional(string) }))
  default     = []
}

variable "secret_recovery_days" {
  description = "Days for which a deleted secret can be had back, 7 to 30, or 0 to delete at once."
  type        = number
  default     = 30
}

variable "network" {
  description = "Where an Aurora cluster is: outputs of the module `network`."
  type        = object({ vpc_id = string, subnet_ids = list(string), functions_security_group_id = string })
  default     = null
}

variable "aurora" {
  description = <<-TEXT
    Settings of the Aurora cluster. Capacity is in ACU (2 GiB each); 0 pauses it after `pause_after_s` without a session.
    `proxy` puts an RDS Proxy before it; the README tells what that is worth. `follows` makes it the standby of a global
    cluster; `global_cluster` names that.
  TEXT
  type = object({
    engine_version        = optional(string, "17.4")
    instances             = optional(number, 1)
    capacity_min_acu      = optional(number, 0)
    capacity_max_acu      = optional(number, 4)
    pause_after_s         = optional(number, 300)
    backup_retention_days = optional(number, 35)
    deletion_protection   = optional(bool, true)
    proxy                 = optional(bool, false)
    global_cluster        = optional(string)
    follows               = optional(string)
    log_retention_days    = optional(number, 30)
  })
  default = {}
  validation {
    condition     = var.aurora.capacity_min_acu > 0 || (!var.aurora.proxy && var.aurora.global_cluster == null)
    error_message = "A proxy holds sessions open and a global cluster replicates: neither lets a cluster pause. Give it 0.5 ACU or more."
  }
  validation {
    condition     = var.aurora.backup_retention_days >= 7 && var.aurora.backup_retention_days <= 35
    error_message = "7 to 35 days."
  }
}

variable "ca_layer" {
  description = "Where the zip of the layer with RDS's certificates (`rds-ca.pem`) is: without it a connection could not be verified."
  type        = object({ bucket = string, key = string })
  default     = null
}

variable "external" {
  description = "Where the external database is. Its certificate must be one that browsers accept. The owner's password is put into the secret `NAME/db-owner` by hand; it must need no escaping in a URL."
  type = object({
    host         = string
    port         = optional(number, 5432)
    replica_host = optional(string)
  })
  default = null
}
