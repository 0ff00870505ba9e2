# Like production, smaller: the same database in a VPC with a way out, which pauses when nobody tests. One region.
environment   = "staging"
home_region   = "eu-central-1"
active_region = "eu-central-1"
souk_region   = "eu"

regions = {
  eu-central-1 = {
    availability_zones = ["eu-central-1a", "eu-central-1b"]
    cidr               = "10.61.0.0/16"
    artefacts_bucket   = "souk-artefacts-123456789012-eu-central-1"
  }
}

database = {
  engine = "aurora"
  aurora = { capacity_min_acu = 0, capacity_max_acu = 2, backup_retention_days = 7 }
}

# Stripe and the tenants' systems have no IPv6 address: about 35 USD a month.
network = { egress = "nat", nat_gateways = 1 }

sweep_rate = "rate(1 hour)"
throttling = { rate = 100, burst = 200 }

alarms = {
  detail       = "full"
  runbooks_url = "https://github.com/example/souk/blob/main/docs/runbooks"
  page         = []
  ticket       = ["developers@example.com"]
  cost         = ["developers@example.com"]
}

cloudflare = {
  account_id = "0123456789abcdef0123456789abcdef"
  zone_id    = "fedcba9876543210fedcba9876543210"
  hosts      = ["staging.example.com", "*.staging.example.com"]
  bundle_dir = "../../../../.souk/deploy/edge"
}

# prices: none, it is lean with a NAT gateway and an Aurora that pauses, and orders of tests
monthly_limit_usd = 100
account_settings  = false
