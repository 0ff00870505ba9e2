# For developers: costs next to nothing while nobody works with it. A Postgres of somebody else's, no VPC, few alarms,
# a sweep each hour, so that the database may pause.
environment   = "dev"
home_region   = "eu-central-1"
active_region = "eu-central-1"
souk_region   = "eu"

regions = {
  eu-central-1 = {
    availability_zones = ["eu-central-1a", "eu-central-1b"]
    cidr               = "10.60.0.0/16"
    artefacts_bucket   = "souk-artefacts-123456789012-eu-central-1"
  }
}

database = {
  engine   = "external"
  external = { host = "ep-example.eu-central-1.aws.neon.tech" }
}

sweep_rate         = "rate(1 hour)"
log_filter         = "debug"
log_retention_days = 7
recovery_days      = 7
throttling         = { rate = 20, burst = 40 }

alarms = {
  detail       = "essential"
  runbooks_url = "https://github.com/example/souk/blob/main/docs/runbooks"
  page         = []
  ticket       = ["developers@example.com"]
  cost         = ["developers@example.com"]
}

cloudflare = {
  account_id = "0123456789abcdef0123456789abcdef"
  zone_id    = "fedcba9876543210fedcba9876543210"
  hosts      = ["dev.example.com", "*.dev.example.com"]
  bundle_dir = "../../../../.souk/deploy/edge"
}

# prices: dev at 0 orders a month, and half as much again
monthly_limit_usd = 25
account_settings  = false
