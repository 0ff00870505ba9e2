mock_provider "cloudflare" {}

variables {
  name               = "souk-test-edge"
  account_id         = "0123456789abcdef0123456789abcdef"
  zone_id            = "fedcba9876543210fedcba9876543210"
  hosts              = ["shop.example.com", "*.shops.example.com"]
  bundle             = { dir = "bundle", main = "index.js", modules = { "index.js" = "application/javascript+module", "index_bg.wasm" = "application/wasm" } }
  compatibility_date = "2026-10-20"
  plain              = { ORIGIN_URL = "https://origin.example", REGION = "eu-central-1" }
  secrets            = ["SIGNING_KEY", "SIGNING_KEY_ID"]
  kv                 = ["ROUTES"]
}

run "no_state_has_a_secret" {
  command = plan
  assert {
    condition     = toset([for b in cloudflare_worker_version.this.bindings : b.name if b.type == "inherit"]) == toset(["SIGNING_KEY", "SIGNING_KEY_ID"])
    error_message = "secrets are taken over, not written"
  }
  assert {
    condition     = length([for b in cloudflare_worker_version.this.bindings : b if b.type == "secret_text"]) == 0
    error_message = "a secret in the state"
  }
}

run "the_first_deployment_has_nothing_to_inherit" {
  command = plan
  variables {
    secrets_are_set = false
  }
  assert {
    condition     = length([for b in cloudflare_worker_version.this.bindings : b if b.type == "inherit"]) == 0
    error_message = "it would fail"
  }
}

run "there_is_no_way_past_the_zone" {
  command = plan
  assert {
    condition     = !cloudflare_worker.this.subdomain.enabled && !cloudflare_worker.this.subdomain.previews_enabled
    error_message = "workers.dev goes past the rules"
  }
}

run "the_kill_switch_blocks_every_host" {
  command = plan
  variables {
    enabled = false
  }
  assert {
    condition = one([
      for r in cloudflare_ruleset.waf.rules :
      r.enabled && r.action == "block" && r.expression == "(http.host eq \"shop.example.com\" or ends_with(http.host, \".shops.example.com\"))"
      if r.ref == "kill_switch"
    ])
    error_message = "requests still come through"
  }
}

run "and_is_off_by_default" {
  command = plan
  assert {
    condition     = one([for r in cloudflare_ruleset.waf.rules : r.enabled if r.ref == "kill_switch"]) == false
    error_message = "everything would be blocked"
  }
  assert {
    condition     = cloudflare_ruleset.cache.rules[0].action_parameters.cache == false
    error_message = "one tenant would get another's answer"
  }
}

run "a_class_needs_a_migration" {
  command = plan
  variables {
    durable_objects = { LIMITER = "Limiter" }
  }
  expect_failures = [cloudflare_worker_version.this]
}

run "with_one_it_is_bound" {
  command = plan
  variables {
    durable_objects          = { LIMITER = "Limiter" }
    durable_object_migration = { new_tag = "v1", new_classes = ["Limiter"] }
  }
  assert {
    condition     = one([for b in cloudflare_worker_version.this.bindings : b.class_name if b.name == "LIMITER"]) == "Limiter" && cloudflare_worker_version.this.migrations.new_sqlite_classes == tolist(["Limiter"])
    error_message = "not bound"
  }
}
