# No mocks: they know no ephemeral resources. The values of ephemeral resources and of the account are in
# ../../tests/stub-data.json.
provider "aws" {
  region = "eu-central-1"
}

provider "cloudflare" {
  api_token = "0123456789012345678901234567890123456789"
}

variables {
  environment      = "test"
  artefact_version = "v1"
  home_region      = "eu-central-1"
  active_region    = "eu-central-1"
  souk_region      = "eu"
  regions = {
    eu-central-1 = { availability_zones = ["eu-central-1a", "eu-central-1b"], cidr = "10.60.0.0/16", artefacts_bucket = "artefacts-1" }
    eu-west-1    = { availability_zones = ["eu-west-1a", "eu-west-1b"], cidr = "10.61.0.0/16", artefacts_bucket = "artefacts-2" }
  }
  database          = { engine = "external", external = { host = "db.example" } }
  throttling        = { rate = 10, burst = 20 }
  alarms            = { detail = "full", runbooks_url = "https://runbooks.example", page = [], ticket = [], cost = ["cost@example.com"] }
  cloudflare        = { account_id = "0123456789abcdef0123456789abcdef", zone_id = "fedcba9876543210fedcba9876543210", hosts = ["shop.example.com"], bundle_dir = "bundle" }
  monthly_limit_usd = 10
}

run "both_regions_have_everything_and_one_database" {
  command = plan
  assert {
    condition     = toset(keys(output.functions)) == toset(["eu-central-1", "eu-west-1"]) && length(output.functions["eu-west-1"]) == length(local.spec.functions)
    error_message = "the region that stands by lacks something"
  }
  assert {
    condition     = local.values_of["eu-west-1"]["shards.app"].text == local.values_of["eu-central-1"]["shards.app"].text
    error_message = "an external database is the same one from everywhere"
  }
}

run "a_role_reads_secrets_of_its_own_region" {
  command = plan
  assert {
    condition = alltrue(flatten([
      for region, values in local.values_of : [for value in values : [for arn in value.arns : strcontains(arn, ":${region}:")]]
    ]))
    error_message = "in the other region a function could not start"
  }
}

run "no_function_but_the_migration_gets_the_owners_login" {
  command = plan
  assert {
    condition = alltrue(flatten([
      for name, f in local.spec.functions : [
        for variable, source in f.variables : name == "migrate" || !strcontains(try(local.values_of["eu-central-1"][source].text, ""), "souk_owner")
      ]
    ]))
    error_message = "row level security holds who owns nothing"
  }
}

run "no_database_no_vpc" {
  command = plan
  assert {
    condition     = length(module.network) == 0 && length(module.backup) == 0
    error_message = "what an external database does not need costs"
  }
}
