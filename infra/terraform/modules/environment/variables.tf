variable "application" {
  description = "First part of the name of everything: `APPLICATION-ENVIRONMENT`."
  type        = string
  default     = "souk"
}

variable "environment" {
  description = "Name of the environment: dev, staging or prod."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2,8}$", var.environment))
    error_message = "Two to eight lower-case letters."
  }
}

variable "artefact_version" {
  description = "The version to deploy, as `script/deploy` has uploaded it: artefacts are under it in each region's bucket."
  type        = string
}

variable "regions" {
  description = <<-TEXT
    Regions by their AWS names: zones, the bucket with artefacts, and the vault in another account that backups are copied to.
    One of them is active; the others stand by.
  TEXT
  type = map(object({
    availability_zones   = list(string)
    cidr                 = string
    artefacts_bucket     = string
    backup_account_vault = optional(string)
    domain               = optional(object({ name = string, certificate_arn = string }))
  }))
}

variable "home_region" {
  description = "The region where the database was made, with its secrets. It does not change with a failover."
  type        = string
}

variable "active_region" {
  description = "The region that works. To fail over, promote the database there, then change this."
  type        = string
}

variable "souk_region" {
  description = "What route records call this place, such as `eu`. Tenants are bound to it; it does not change with a failover."
  type        = string
}

variable "architecture" {
  description = "What the functions were built for: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "database" {
  description = "Which database: see the module `database`. `aurora` and `external` are taken as they are there."
  type = object({
    engine = string
    aurora = optional(object({
      engine_version        = optional(string, "17.4")
      instances             = optional(number, 1)
      capacity_min_acu      = optional(number, 0)
      capacity_max_acu      = optional(number, 4)
      backup_retention_days = optional(number, 35)
      deletion_protection   = optional(bool, true)
      proxy                 = optional(bool, false)
    }), {})
    external             = optional(object({ host = string, port = optional(number, 5432), replica_host = optional(string) }))
    password_generations = optional(map(number), { owner = 1, app = 1, relay = 1, sweeper = 1, directory_reader = 1 })
  })
}

variable "network" {
  description = "The way out of the VPC, where there is one: see the module `network`."
  type = object({
    egress       = optional(string, "none")
    nat_gateways = optional(number, 1)
    endpoints    = optional(set(string), [])
  })
  default = {}
}

variable "keys" {
  description = "Key rings that deployments rotate: the slot to sign with, and the generation of each slot. See the module `secrets`."
  type = map(object({
    current     = string
    generations = object({ a = number, b = number })
  }))
  default = {
    quote   = { current = "a", generations = { a = 1, b = 1 } }
    webhook = { current = "a", generations = { a = 1, b = 1 } }
  }
  validation {
    condition     = toset(keys(var.keys)) == toset(["quote", "webhook"])
    error_message = "quote and webhook; the ring of the edge rotates by itself."
  }
}

variable "capture_policy" {
  description = "When the money of an order is taken: `on_fulfilment` or `at_once`."
  type        = string
  default     = "on_fulfilment"
  validation {
    condition     = contains(["on_fulfilment", "at_once"], var.capture_policy)
    error_message = "on_fulfilment or at_once."
  }
}

variable "log_filter" {
  description = "Filter of functions' log lines."
  type        = string
  default     = "info"
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30
}

variable "recovery_days" {
  description = "Days for which deleted secrets and keys can be had back, 7 to 30."
  type        = number
  default     = 30
}

variable "sweep_rate" {
  description = "Instead of each minute, so that a database may pause: events whose ring was lost wait that long. Null in production."
  type        = string
  default     = null
}

variable "throttling" {
  description = "Requests a second that all clients together may make, and how many at once beyond that."
  type        = object({ rate = number, burst = number })
}

variable "concurrency" {
  description = "Concurrency that is reserved for a function, by its short name."
  type        = map(number)
  default     = {}
}

variable "kill" {
  description = "Kill switches: see the module `region`; `edge` blocks every request before the worker."
  type = object({
    functions = optional(set(string), [])
    consumers = optional(set(string), [])
    schedules = optional(bool, false)
    relay     = optional(bool, false)
    api       = optional(bool, false)
    edge      = optional(bool, false)
  })
  default = {}
}

variable "alarms" {
  description = "How closely to watch (`full` or `essential`), where runbooks are, and the mail addresses for pages, tickets and costs."
  type = object({
    detail       = string
    runbooks_url = string
    page         = list(string)
    ticket       = list(string)
    cost         = list(string)
  })
}

variable "slo" {
  description = "The service level objective: see the module `observability`."
  type        = object({ availability_percent = number, latency_p99_ms = number })
  default     = { availability_percent = 99.9, latency_p99_ms = 2500 }
}

variable "canary" {
  description = "The order journey: see the module `observability`. None when null. The key of its tenant goes into the secret `NAME/canary-api-key`."
  type        = object({ rate = string, edge_url = string, host = string, sku = string })
  default     = null
}

variable "smoke_order" {
  description = "What the new version of `orders` is asked for before it gets traffic: a tenant that was made for it, and what to order there. None when null."
  type        = object({ tenant = string, sku = string, currency = string })
  default     = null
}

variable "strategy" {
  description = "How traffic moves to a new version."
  type        = object({ percent = number, minutes = number })
  default     = { percent = 10, minutes = 5 }
}

variable "cloudflare" {
  description = "Account, zone and hosts of the edge, and where the built worker is."
  type = object({
    account_id      = string
    zone_id         = string
    hosts           = list(string)
    bundle_dir      = string
    secrets_are_set = optional(bool, true)
    rate_limit      = optional(number, 200)
    # Where the share of requests goes that a tenant's record sends to a canary; nowhere else when null.
    canary_origin_url = optional(string)
    # After so many milliseconds a read that is late is asked for a second time; never when null.
    hedge_after_ms = optional(number)
  })
  validation {
    condition     = var.cloudflare.hedge_after_ms == null ? true : (var.cloudflare.hedge_after_ms >= 10 && var.cloudflare.hedge_after_ms <= 5000)
    error_message = "A second request after 10 to 5000 milliseconds."
  }
}

variable "monthly_limit_usd" {
  description = "What a month may cost, in US dollars."
  type        = number
}

variable "backup_lock" {
  description = "Nobody can delete a backup early; cannot be undone after three days."
  type        = bool
  default     = false
}

variable "account_settings" {
  description = "Whether this environment makes what an account has once: trail, guardrails, tags of costs. One environment of an account does."
  type        = bool
  default     = true
}
