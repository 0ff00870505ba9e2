mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_kms_key" {
    defaults        = { arn = "arn:aws:kms:eu-central-1:123456789012:key/mock" }
    override_during = plan
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults        = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
    override_during = plan
  }
  mock_resource "aws_iam_role" {
    defaults        = { arn = "arn:aws:iam::123456789012:role/mock" }
    override_during = plan
  }
}

variables {
  region           = "eu-central-1"
  artefact_regions = ["eu-central-1", "eu-west-1"]
  repository       = "example/souk"
}

run "nobody_deploys_but_the_protected_environment_of_the_repository" {
  command = plan
  assert {
    condition = alltrue([
      for environment, role in aws_iam_role.deploy :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example/souk:environment:${environment}"
    ])
    error_message = "another repository, or a branch that anybody can make, could deploy"
  }
  assert {
    condition     = !strcontains(join("", [for role in aws_iam_role.deploy : role.assume_role_policy]), "*")
    error_message = "a star in who may deploy"
  }
}

run "states_are_kept_encrypted_versioned_and_private" {
  command = plan
  assert {
    condition = (
      one(aws_s3_bucket_server_side_encryption_configuration.this["state"].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
      aws_s3_bucket_versioning.this["state"].versioning_configuration[0].status == "Enabled" &&
      aws_s3_bucket_public_access_block.this["state"].block_public_policy
    )
    error_message = "a state tells what there is"
  }
}

run "who_plans_reads_no_secret" {
  command = plan
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.plan.policy).Statement : contains(s.Action, "secretsmanager:GetSecretValue") if s.Effect == "Deny"])
    error_message = "a pull request could read secrets"
  }
}

run "a_star_is_no_repository" {
  command = plan
  variables {
    repository = "example/*"
  }
  expect_failures = [var.repository]
}
