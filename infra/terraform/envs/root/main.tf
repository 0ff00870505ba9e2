# All environments are this, with settings of their own in terraform.tfvars.
provider "aws" {
  region = var.home_region
  default_tags {
    tags = {
      application  = var.application
      environment  = var.environment
      "managed-by" = "terraform"
    }
  }
}

# The token comes from CLOUDFLARE_API_TOKEN.
provider "cloudflare" {}

module "souk" {
  source = "../../modules/environment"

  application        = var.application
  environment        = var.environment
  artefact_version   = var.artefact_version
  regions            = var.regions
  home_region        = var.home_region
  active_region      = var.active_region
  souk_region        = var.souk_region
  architecture       = var.architecture
  database           = var.database
  network            = var.network
  keys               = var.keys
  capture_policy     = var.capture_policy
  log_filter         = var.log_filter
  log_retention_days = var.log_retention_days
  recovery_days      = var.recovery_days
  sweep_rate         = var.sweep_rate
  throttling         = var.throttling
  concurrency        = var.concurrency
  kill               = var.kill
  alarms             = var.alarms
  slo                = var.slo
  canary             = var.canary
  smoke_order        = var.smoke_order
  strategy           = var.strategy
  cloudflare         = var.cloudflare
  monthly_limit_usd  = var.monthly_limit_usd
  backup_lock        = var.backup_lock
  account_settings   = var.account_settings
}
