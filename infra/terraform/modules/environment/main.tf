data "aws_caller_identity" "this" {}

locals {
  spec       = jsondecode(file("${path.module}/../../../souk.json"))
  name       = "${var.application}-${var.environment}"
  account_id = data.aws_caller_identity.this.account_id
  locations  = { for region in keys(var.regions) : region => { region = region, account_id = local.account_id } }

  is_aurora       = var.database.engine == "aurora"
  standby_regions = { for region, settings in var.regions : region => settings if region != var.home_region }
  is_global       = local.is_aurora && length(local.standby_regions) > 0
  in_vpc          = local.is_aurora ? var.regions : {}

  kms_alias = "alias/${local.name}"
  edge_name = "${local.name}-edge"
}

# One key for each region: messages, secrets, logs, environment variables, the database.
resource "aws_kms_key" "this" {
  for_each                = var.regions
  region                  = each.key
  description             = "${local.name}: messages, secrets, logs, environment variables, the database"
  enable_key_rotation     = true
  deletion_window_in_days = var.recovery_days
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Without it nobody could ever change the key again. Roles are allowed by their own policies.
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${local.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${each.key}.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${each.key}:${local.account_id}:*" } }
      },
      {
        Sid       = "AlarmsAndBudgets"
        Effect    = "Allow"
        Principal = { Service = ["backup.amazonaws.com", "cloudwatch.amazonaws.com", "costalerts.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      },
      {
        Sid       = "Trail"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = ["kms:DescribeKey", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceArn" = "arn:aws:cloudtrail:${each.key}:${local.account_id}:trail/${local.name}" } }
      },
    ]
  })
}

resource "aws_kms_alias" "this" {
  for_each      = var.regions
  region        = each.key
  name          = local.kms_alias
  target_key_id = aws_kms_key.this[each.key].key_id
}

module "network" {
  for_each           = local.in_vpc
  source             = "../network"
  name               = local.name
  location           = local.locations[each.key]
  cidr               = each.value.cidr
  availability_zones = each.value.availability_zones
  egress             = var.network.egress
  nat_gateways       = var.network.nat_gateways
  endpoints          = var.network.endpoints
  kms_key_arn        = aws_kms_key.this[each.key].arn
}

resource "aws_rds_global_cluster" "this" {
  count                     = local.is_global ? 1 : 0
  region                    = var.home_region
  global_cluster_identifier = local.name
  engine                    = "aurora-postgresql"
  engine_version            = var.database.aurora.engine_version
  database_name             = "souk"
  storage_encrypted         = true
  deletion_protection       = var.database.aurora.deletion_protection
}

module "database" {
  source               = "../database"
  name                 = local.name
  location             = local.locations[var.home_region]
  kms_key_arn          = aws_kms_key.this[var.home_region].arn
  engine               = var.database.engine
  external             = var.database.external
  password_generations = var.database.password_generations
  secret_recovery_days = var.recovery_days
  secret_replicas      = [for region in keys(local.standby_regions) : { region = region, kms_key_arn = aws_kms_key.this[region].arn }]
  aurora               = merge(var.database.aurora, { global_cluster = local.is_global ? aws_rds_global_cluster.this[0].id : null })
  ca_layer             = local.is_aurora ? { bucket = var.regions[var.home_region].artefacts_bucket, key = "${var.artefact_version}/rds-ca.zip" } : null
  network = !local.is_aurora ? null : {
    vpc_id                      = module.network[var.home_region].vpc_id
    subnet_ids                  = module.network[var.home_region].private_subnet_ids
    functions_security_group_id = module.network[var.home_region].functions_security_group_id
  }
}

module "database_standby" {
  for_each             = local.is_global ? local.standby_regions : {}
  source               = "../database"
  name                 = local.name
  location             = local.locations[each.key]
  kms_key_arn          = aws_kms_key.this[each.key].arn
  engine               = "aurora"
  password_generations = var.database.password_generations
  aurora = merge(var.database.aurora, {
    instances      = 1
    global_cluster = aws_rds_global_cluster.this[0].id
    follows        = var.home_region
  })
  ca_layer = { bucket = each.value.artefacts_bucket, key = "${var.artefact_version}/rds-ca.zip" }
  network = {
    vpc_id                      = module.network[each.key].vpc_id
    subnet_ids                  = module.network[each.key].private_subnet_ids
    functions_security_group_id = module.network[each.key].functions_security_group_id
  }
  # A standby follows a primary that is there.
  depends_on = [module.database]
}

module "secrets" {
  source        = "../secrets"
  name          = local.name
  location      = local.locations[var.home_region]
  kms_key_arn   = aws_kms_key.this[var.home_region].arn
  replicas      = [for region in keys(local.standby_regions) : { region = region, kms_key_arn = aws_kms_key.this[region].arn }]
  keys          = var.keys
  rotated       = ["edge"]
  recovery_days = var.recovery_days
  entrusted = merge(
    {
      stripe-accounts  = "The accounts at Stripe, as SOUK_STRIPE_ACCOUNTS wants them"
      cloudflare-token = "Token at Cloudflare that may edit the account's workers, for the rotation of the edge's keys"
    },
    var.canary == null ? {} : { canary-api-key = "API key of the tenant that the order journey buys from" },
  )
}

locals {
  databases = merge({ (var.home_region) = module.database }, module.database_standby)
  # An external database is the same one from everywhere.
  database_of = { for region in keys(var.regions) : region => lookup(local.databases, region, module.database) }

  # Secrets are copied under the same names; what a role may read is in its own region.
  keys_of = {
    for region in keys(var.regions) : region => merge(
      { for ring, r in module.secrets.rings : "${ring}_keys" => { text = r.text, arns = [for arn in r.arns : replace(arn, ":${var.home_region}:", ":${region}:")] } },
      { for ring, r in module.secrets.rings : "${ring}_key_id" => { text = r.current_id, arns = [] } },
      { for ring, r in module.secrets.rotated : "${ring}_keys" => { text = r.text, arns = [for arn in r.arns : replace(arn, ":${var.home_region}:", ":${region}:")] } },
      { for name in ["stripe-accounts", "cloudflare-token"] : replace(name, "-", "_") => {
        text = module.secrets.entrusted[name].text
        arns = [for arn in module.secrets.entrusted[name].arns : replace(arn, ":${var.home_region}:", ":${region}:")]
      } },
      {
        capture_policy     = { text = var.capture_policy, arns = [] }
        cloudflare_account = { text = var.cloudflare.account_id, arns = [] }
        smoke_order        = { text = var.smoke_order == null ? "null" : jsonencode(merge(var.smoke_order, { region = var.souk_region })), arns = [] }
        edge_worker        = { text = local.edge_name, arns = [] }
        log                = { text = var.log_filter, arns = [] }
      },
    )
  }
  # Written in the home region, and copied from there.
  rings_written = { for ring, r in module.secrets.rotated : "${ring}_ring" => { text = r.name, arns = r.arns } }
  values_of = {
    for region in keys(var.regions) : region => merge(
      { for source, value in local.database_of[region].values : source => { text = value.text, arns = [for arn in value.arns : replace(arn, ":${var.home_region}:", ":${region}:")] } },
      local.keys_of[region],
    )
  }
}

module "region" {
  for_each           = var.regions
  source             = "../region"
  name               = local.name
  location           = local.locations[each.key]
  spec               = local.spec
  active             = each.key == var.active_region
  home               = each.key == var.home_region
  values             = local.values_of[each.key]
  rings              = local.rings_written
  artefacts          = { bucket = each.value.artefacts_bucket, version = var.artefact_version }
  architecture       = var.architecture
  layers             = local.database_of[each.key].layers
  kms                = { arn = aws_kms_key.this[each.key].arn, alias = local.kms_alias }
  log_retention_days = var.log_retention_days
  throttling         = var.throttling
  domain             = each.value.domain
  sweep_rate         = var.sweep_rate
  concurrency        = var.concurrency
  kill               = { functions = var.kill.functions, consumers = var.kill.consumers, schedules = var.kill.schedules, relay = var.kill.relay, api = var.kill.api }
  alarms             = { detail = var.alarms.detail, runbooks_url = var.alarms.runbooks_url, page = var.alarms.page, ticket = var.alarms.ticket }
  slo                = var.slo
  strategy           = var.strategy
  vpc = !local.is_aurora ? null : {
    subnet_ids         = module.network[each.key].private_subnet_ids
    security_group_ids = [module.network[each.key].functions_security_group_id]
    reaches_internet   = module.network[each.key].reaches_internet
    dual_stack         = var.network.egress == "ipv6"
  }
  database = !local.is_aurora ? null : {
    name             = local.name
    capacity_max_acu = var.database.aurora.capacity_max_acu
    follows          = local.is_global && each.key != var.active_region
  }
  canary = var.canary == null || each.key != var.active_region ? null : {
    rate             = var.canary.rate
    edge_url         = var.canary.edge_url
    host             = var.canary.host
    sku              = var.canary.sku
    artefacts_bucket = each.value.artefacts_bucket
    api_key_secret   = "${local.name}/canary-api-key"
  }
}

module "edge" {
  source             = "../edge"
  name               = local.edge_name
  account_id         = var.cloudflare.account_id
  zone_id            = var.cloudflare.zone_id
  hosts              = var.cloudflare.hosts
  bundle             = { dir = var.cloudflare.bundle_dir, main = "index.js", modules = local.spec.edge.modules }
  compatibility_date = local.spec.edge.compatibility_date
  plain = merge(
    { for name, source in local.spec.edge.plain : name => local.edge_values[source] },
    { for name, source in local.spec.edge.plain_where_wanted : name => local.edge_values[source] if local.edge_values[source] != null },
  )
  secrets                  = keys(local.spec.edge.secrets)
  secrets_are_set          = var.cloudflare.secrets_are_set
  kv                       = local.spec.edge.kv
  durable_objects          = local.spec.edge.durable_objects
  durable_object_migration = try(local.spec.edge.durable_object_migration, null)
  rate_limits              = local.spec.edge.rate_limits
  waf_rate_limit           = var.cloudflare.rate_limit
  enabled                  = !var.kill.edge
}

locals {
  edge_values = {
    origin_url        = module.region[var.active_region].origin_url
    canary_origin_url = var.cloudflare.canary_origin_url
    hedge_after_ms    = var.cloudflare.hedge_after_ms == null ? null : tostring(var.cloudflare.hedge_after_ms)
    region            = var.souk_region
  }
}

# The other regions' vaults come first: the home region's backups are copied to them.
module "backup_copy" {
  for_each    = local.is_aurora ? local.standby_regions : {}
  source      = "../backup"
  name        = local.name
  location    = local.locations[each.key]
  kms_key_arn = aws_kms_key.this[each.key].arn
  resources   = ["arn:aws:rds:${each.key}:${local.account_id}:cluster:${local.name}"]
  lock        = var.backup_lock
  topic_arn   = module.region[each.key].topics["ticket"]
}

module "backup" {
  count       = local.is_aurora ? 1 : 0
  source      = "../backup"
  name        = local.name
  location    = local.locations[var.home_region]
  kms_key_arn = aws_kms_key.this[var.home_region].arn
  resources   = [module.database.cluster.arn]
  lock        = var.backup_lock
  topic_arn   = module.region[var.home_region].topics["ticket"]
  copies = merge(
    { for region, copy in module.backup_copy : region => copy.vault_arn },
    var.regions[var.home_region].backup_account_vault == null ? {} : { account = var.regions[var.home_region].backup_account_vault },
  )
}

module "budget" {
  source            = "../budget"
  name              = local.name
  environment       = var.environment
  monthly_limit_usd = var.monthly_limit_usd
  addresses         = var.alarms.cost
  account_settings  = var.account_settings
}

module "guardrails" {
  count       = var.account_settings ? 1 : 0
  source      = "../guardrails"
  name        = local.name
  location    = local.locations[var.home_region]
  kms_key_arn = aws_kms_key.this[var.home_region].arn
}
