locals {
  hosts_expression = join(" or ", [
    for host in var.hosts : startswith(host, "*.") ? "ends_with(http.host, \"${trimprefix(host, "*")}\")" : "http.host eq \"${host}\""
  ])
}

resource "cloudflare_workers_kv_namespace" "this" {
  for_each   = var.kv
  account_id = var.account_id
  title      = "${var.name}-${lower(each.key)}"
}

resource "cloudflare_worker" "this" {
  account_id = var.account_id
  name       = var.name
  # Only by the zone's routes: an address of workers.dev would go past its rules.
  subdomain = {
    enabled          = false
    previews_enabled = false
  }
  observability = {
    enabled            = true
    head_sampling_rate = 1
    logs = {
      enabled            = true
      head_sampling_rate = 1
      # It would hold requests' headers.
      invocation_logs = false
    }
  }
}

resource "cloudflare_worker_version" "this" {
  account_id         = var.account_id
  worker_id          = cloudflare_worker.this.id
  compatibility_date = var.compatibility_date
  main_module        = var.bundle.main
  modules = [
    for file, content_type in var.bundle.modules : {
      name         = file
      content_type = content_type
      content_file = "${var.bundle.dir}/${file}"
    }
  ]
  bindings = concat(
    [for name in sort(keys(var.plain)) : { name = name, type = "plain_text", text = var.plain[name] }],
    [for name in sort(tolist(var.secrets)) : { name = name, type = "inherit" } if var.secrets_are_set],
    [for name in sort(tolist(var.kv)) : { name = name, type = "kv_namespace", namespace_id = cloudflare_workers_kv_namespace.this[name].id }],
    [for name in sort(keys(var.durable_objects)) : { name = name, type = "durable_object_namespace", class_name = var.durable_objects[name] }],
    [for name in sort(keys(var.rate_limits)) : {
      name         = name
      type         = "ratelimit"
      namespace_id = var.rate_limits[name].namespace_id
      simple       = { limit = var.rate_limits[name].limit, period = var.rate_limits[name].period_s }
    }],
  )
  migrations = var.durable_object_migration == null ? null : {
    new_tag            = var.durable_object_migration.new_tag
    old_tag            = var.durable_object_migration.old_tag
    new_sqlite_classes = var.durable_object_migration.new_classes
  }

  lifecycle {
    create_before_destroy = true
    precondition {
      condition = length(setsubtract(values(var.durable_objects), var.durable_object_migration == null ? [] : (
        var.durable_object_migration.old_tag == null ? var.durable_object_migration.new_classes : values(var.durable_objects)
      ))) == 0
      error_message = "A Durable Object class without a migration that makes it: the worker would not start."
    }
  }
}

# The first version gets all traffic; later ones get theirs from the deployment, step by step, and so do new values of
# secrets. What runs is theirs to say.
resource "cloudflare_workers_deployment" "this" {
  account_id  = var.account_id
  script_name = cloudflare_worker.this.name
  strategy    = "percentage"
  versions    = [{ version_id = cloudflare_worker_version.this.id, percentage = 100 }]

  lifecycle {
    ignore_changes = [versions]
  }
}

resource "cloudflare_workers_route" "this" {
  for_each = toset(var.hosts)
  zone_id  = var.zone_id
  pattern  = "${each.key}/*"
  script   = cloudflare_worker.this.name

  depends_on = [cloudflare_workers_deployment.this]
}

resource "cloudflare_ruleset" "waf" {
  zone_id     = var.zone_id
  name        = "${var.name}: what never reaches the worker"
  description = "Kill switch, and what no client of an API sends"
  kind        = "zone"
  phase       = "http_request_firewall_custom"
  rules = [
    {
      ref         = "kill_switch"
      description = "Kill switch: blocks all requests to the shops"
      expression  = "(${local.hosts_expression})"
      action      = "block"
      enabled     = !var.enabled
    },
    {
      ref         = "forbidden_methods"
      description = "Methods that no route has"
      expression  = "(${local.hosts_expression}) and not http.request.method in {\"GET\" \"HEAD\" \"POST\" \"PUT\" \"PATCH\" \"DELETE\" \"OPTIONS\"}"
      action      = "block"
      enabled     = true
    },
    {
      ref         = "large_bodies"
      description = "Bodies larger than the policy takes (256 KiB)"
      expression  = "(${local.hosts_expression}) and http.request.body.size gt 262144"
      action      = "block"
      enabled     = false # Body fields are of the Enterprise plan; the policy refuses them anyway.
    },
  ]
}

resource "cloudflare_ruleset" "rate_limit" {
  zone_id     = var.zone_id
  name        = "${var.name}: floods of one address"
  description = "The worker limits by tenant and key; this is paid for by nobody"
  kind        = "zone"
  phase       = "http_ratelimit"
  rules = [{
    ref         = "flood"
    description = "More requests of one address in ten seconds than a shop needs"
    expression  = "(${local.hosts_expression})"
    action      = "block"
    enabled     = true
    ratelimit = {
      characteristics     = ["ip.src", "cf.colo.id"]
      period              = 10
      requests_per_period = var.waf_rate_limit
      mitigation_timeout  = 10
    }
  }]
}

resource "cloudflare_ruleset" "cache" {
  zone_id     = var.zone_id
  name        = "${var.name}: nothing is cached"
  description = "Answers belong to one tenant and one caller"
  kind        = "zone"
  phase       = "http_request_cache_settings"
  rules = [{
    ref         = "never"
    description = "No answer of the API is kept by the zone"
    expression  = "(${local.hosts_expression})"
    action      = "set_cache_settings"
    enabled     = true
    action_parameters = {
      cache = false
    }
  }]
}

resource "cloudflare_zone_setting" "tls" {
  for_each = {
    min_tls_version  = "1.2"
    tls_1_3          = "on"
    always_use_https = "on"
    ssl              = "strict"
  }
  zone_id    = var.zone_id
  setting_id = each.key
  value      = each.value
}
