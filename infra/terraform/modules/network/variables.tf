variable "name" {
  description = "First part of all names."
  type        = string
}

variable "location" {
  description = "Region and account of all resources."
  type        = object({ region = string, account_id = string })
}

variable "cidr" {
  description = "Private IPv4 range, a /16 to /20: each zone gets two parts of a sixteenth of it."
  type        = string
  default     = "10.60.0.0/16"
}

variable "availability_zones" {
  description = "Zones to have subnets in, two or three, such as `eu-central-1a`."
  type        = list(string)
  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 3
    error_message = "Two or three zones: a database wants two."
  }
}

variable "egress" {
  description = <<-TEXT
    The way out to the internet. `none`: there is none, and AWS is reached by `endpoints`. `ipv6`: out only, free of charge,
    to what has an IPv6 address. `nat`: everywhere, for about 35 USD a month for each gateway.
  TEXT
  type        = string
  default     = "none"
  validation {
    condition     = contains(["none", "ipv6", "nat"], var.egress)
    error_message = "none, ipv6 or nat."
  }
}

variable "nat_gateways" {
  description = "NAT gateways with `egress = nat`: 1 is cheap and stops with its zone, one for each zone does not."
  type        = number
  default     = 1
  validation {
    condition     = var.nat_gateways >= 1 && var.nat_gateways <= 3
    error_message = "1 to 3."
  }
}

variable "endpoints" {
  description = "AWS services to reach without a way out, such as `sqs` and `secretsmanager`; each costs about 8 USD a month and zone."
  type        = set(string)
  default     = []
}

variable "flow_log_retention_days" {
  description = "Days for which records of rejected connections are kept; no records when 0."
  type        = number
  default     = 14
}

variable "kms_key_arn" {
  description = "Key for the flow log."
  type        = string
  default     = null
}
