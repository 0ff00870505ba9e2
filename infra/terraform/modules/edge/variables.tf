variable "name" {
  description = "Name of the worker."
  type        = string
}

variable "account_id" {
  description = "Id of the Cloudflare account."
  type        = string
}

variable "zone_id" {
  description = "Id of the zone whose hosts the shops are under."
  type        = string
}

variable "hosts" {
  description = "Hosts that the worker answers, such as `shop.example.com` or `*.example.com`."
  type        = list(string)
  validation {
    condition     = length(var.hosts) > 0 && alltrue([for host in var.hosts : !strcontains(host, "/")])
    error_message = "At least one host, without a path."
  }
}

variable "bundle" {
  description = "Folder with the built worker, and its modules by content type: the first is the main one."
  type = object({
    dir     = string
    modules = map(string)
    main    = string
  })
}

variable "compatibility_date" {
  description = "The runtime's behaviour that the worker was built for, as edge/wrangler.toml has it."
  type        = string
}

variable "plain" {
  description = "Settings that anybody may see: names and values, such as ORIGIN_URL."
  type        = map(string)
}

variable "secrets" {
  description = "Names of secrets. Their values are put in by the deployment and taken over from version to version: no state has them."
  type        = set(string)
}

variable "secrets_are_set" {
  description = "False for the first deployment of all, when there is no version to take secrets over from."
  type        = bool
  default     = true
}

variable "kv" {
  description = "Names of KV bindings."
  type        = set(string)
}

variable "durable_objects" {
  description = "Durable Object bindings: name and class. Classes are kept in SQLite."
  type        = map(string)
  default     = {}
}

variable "durable_object_migration" {
  description = "The migration of the classes: the tag that it leads to, the tag before it (null for the first), and the classes that are new with it."
  type        = object({ new_tag = string, old_tag = optional(string), new_classes = list(string) })
  default     = null
}

variable "rate_limits" {
  description = "Rate limit bindings of a location: namespace id, and requests in 10 or 60 seconds."
  type        = map(object({ namespace_id = string, limit = number, period_s = number }))
  default     = {}
  validation {
    condition     = alltrue([for l in var.rate_limits : contains([10, 60], l.period_s)])
    error_message = "Cloudflare knows periods of 10 and 60 seconds."
  }
}

variable "waf_rate_limit" {
  description = "Requests in 10 seconds of one address, beyond which the zone itself answers 429, before a worker is paid for."
  type        = number
  default     = 200
}

variable "enabled" {
  description = "The kill switch: false blocks every request to the hosts, before the worker."
  type        = bool
  default     = true
}
