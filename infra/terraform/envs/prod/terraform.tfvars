# Two regions: Frankfurt works, Ireland stands by with a database that follows within about a second.
# What is lost with Frankfurt and how long it takes: docs/disaster-recovery.md.
environment   = "prod"
home_region   = "eu-central-1"
active_region = "eu-central-1"
souk_region   = "eu"

regions = {
  eu-central-1 = {
    availability_zones   = ["eu-central-1a", "eu-central-1b"]
    cidr                 = "10.62.0.0/16"
    artefacts_bucket     = "souk-artefacts-123456789012-eu-central-1"
    backup_account_vault = "arn:aws:backup:eu-central-1:210987654321:backup-vault:souk-prod"
  }
  eu-west-1 = {
    availability_zones = ["eu-west-1a", "eu-west-1b"]
    cidr               = "10.63.0.0/16"
    artefacts_bucket   = "souk-artefacts-123456789012-eu-west-1"
  }
}

database = {
  engine = "aurora"
  aurora = { instances = 2, capacity_min_acu = 0.5, capacity_max_acu = 16 }
}

# A gateway in each zone: payments do not stop with a zone.
network = { egress = "nat", nat_gateways = 2 }

throttling = { rate = 1000, burst = 2000 }

# Together below what the database's largest capacity takes in sessions (two for each).
concurrency = { orders = 200, payments = 100, catalog = 100, webhooks = 50 }

alarms = {
  detail       = "full"
  runbooks_url = "https://github.com/example/souk/blob/main/docs/runbooks"
  page         = ["oncall@example.com"]
  ticket       = ["developers@example.com"]
  cost         = ["owner@example.com"]
}

canary = {
  rate     = "rate(5 minutes)"
  edge_url = "https://canary.example.com"
  host     = "canary.example.com"
  sku      = "CANARY"
}

smoke_order = { tenant = "ten_019a0000000070008000000000000001", sku = "CANARY", currency = "EUR" }

cloudflare = {
  account_id = "0123456789abcdef0123456789abcdef"
  zone_id    = "fedcba9876543210fedcba9876543210"
  hosts      = ["*.example.com"]
  bundle_dir = "../../../../.souk/deploy/edge"
}

# prices: prod at 1000000 orders a month, and half as much again
monthly_limit_usd = 600
backup_lock       = true
