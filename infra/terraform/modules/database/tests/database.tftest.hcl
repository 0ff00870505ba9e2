# No mocks: they know no ephemeral resources. The values of ephemeral resources are in ../../tests/stub-data.json.
provider "aws" {
  region = "eu-central-1"
}

variables {
  name     = "souk-test"
  location = { region = "eu-central-1", account_id = "123456789012" }
  engine   = "aurora"
  network  = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"], functions_security_group_id = "sg-functions" }
  ca_layer = { bucket = "artefacts", key = "v1/rds-ca.zip" }
}

run "it_can_be_had_back_and_cannot_be_deleted_by_mistake" {
  command = plan
  assert {
    condition     = aws_rds_cluster.this[0].backup_retention_period == 35 && aws_rds_cluster.this[0].deletion_protection && !aws_rds_cluster.this[0].skip_final_snapshot
    error_message = "35 days, protected, a last snapshot"
  }
  assert {
    condition     = aws_rds_cluster.this[0].storage_encrypted
    error_message = "not encrypted"
  }
}

run "it_pauses_when_nobody_buys" {
  command = plan
  assert {
    condition     = aws_rds_cluster.this[0].serverlessv2_scaling_configuration[0].min_capacity == 0 && aws_rds_cluster.this[0].serverlessv2_scaling_configuration[0].seconds_until_auto_pause == 300
    error_message = "it costs while nobody buys"
  }
  assert {
    condition     = one([for p in aws_rds_cluster_parameter_group.this[0].parameter : p.value if p.name == "idle_session_timeout"]) == "60000"
    error_message = "sessions of frozen functions keep it awake"
  }
}

run "nobody_reaches_it_but_functions" {
  command = plan
  assert {
    condition     = alltrue([for i in aws_rds_cluster_instance.this : !i.publicly_accessible])
    error_message = "it has a public address"
  }
  assert {
    condition     = alltrue([for r in aws_vpc_security_group_ingress_rule.database : r.referenced_security_group_id == "sg-functions" && r.cidr_ipv4 == null && r.cidr_ipv6 == null])
    error_message = "others reach it"
  }
}

run "connections_are_verified" {
  command = plan
  assert {
    condition     = one([for p in aws_rds_cluster_parameter_group.this[0].parameter : p.value if p.name == "rds.force_ssl"]) == "1"
    error_message = "it takes connections without TLS"
  }
}

run "and_there_is_none_without_certificates" {
  command = plan
  variables {
    ca_layer = null
  }
  expect_failures = [aws_rds_cluster.this]
}

run "no_role_is_another_and_none_is_the_owner" {
  command = plan
  variables {
    logins = { owner = "souk_app", app = "souk_app", relay = "souk_relay", sweeper = "souk_sweeper", directory_reader = "souk_directory_reader" }
  }
  expect_failures = [var.logins]
}

run "each_function_gets_its_role_and_nobody_elses_password" {
  command = plan
  variables {
    engine   = "external"
    external = { host = "db.example" }
    network  = null
    ca_layer = null
  }
  assert {
    condition = alltrue([
      for role in ["app", "relay", "sweeper"] :
      startswith(jsondecode(output.values["shards.${role}"].text).main.primary, "postgres://souk_${role}:{{secret:souk-test/db-${role}}}@db.example:5432/souk?sslmode=verify-full")
      && output.values["shards.${role}"].arns == ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:souk-test/db-${role}-??????"]
    ])
    error_message = "a role with another's login, or another's password"
  }
  assert {
    condition     = alltrue([for name, value in output.values : !strcontains(value.text, "souk_owner") || contains(["shards.owner", "directory.owner"], name)])
    error_message = "the owner is not bound by grants: no function but the migration is it"
  }
  assert {
    condition     = length(aws_rds_cluster.this) == 0 && length(aws_security_group.database) == 0
    error_message = "an external database needs nothing here"
  }
  assert {
    condition     = !contains(keys(aws_secretsmanager_secret_version.role), "owner")
    error_message = "the owner's password of an external database is not ours"
  }
}

run "no_password_is_in_a_plan" {
  command = plan
  assert {
    condition     = alltrue([for v in aws_secretsmanager_secret_version.role : v.secret_string == null]) && aws_rds_cluster.this[0].master_password == null
    error_message = "a password would be in the state"
  }
}

run "what_holds_sessions_open_cannot_pause" {
  command = plan
  variables {
    aurora = { proxy = true }
  }
  expect_failures = [var.aurora]
}

run "a_standby_has_its_primarys_secrets" {
  command = plan
  variables {
    aurora = { global_cluster = "souk-test", follows = "eu-central-1", capacity_min_acu = 0.5 }
  }
  assert {
    condition     = length(aws_secretsmanager_secret.role) == 0 && length(aws_secretsmanager_secret_version.role) == 0
    error_message = "two regions with two passwords for one database"
  }
}
