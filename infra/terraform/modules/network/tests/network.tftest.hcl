mock_provider "aws" {
  mock_resource "aws_vpc" {
    defaults        = { id = "vpc-1", ipv6_cidr_block = "2001:db8::/56" }
    override_during = plan
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name               = "souk-test"
  location           = { region = "eu-central-1", account_id = "123456789012" }
  availability_zones = ["eu-central-1a", "eu-central-1b"]
}

run "by_default_nothing_costs_and_nothing_leads_out" {
  command = plan
  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_vpc_endpoint.this) == 0 && length(aws_internet_gateway.this) == 0
    error_message = "a gateway that costs by the hour"
  }
  assert {
    condition     = length(aws_route.ipv6) == 0 && length(aws_vpc_security_group_egress_rule.https) == 0
    error_message = "a way out that nobody asked for"
  }
}

run "no_subnet_is_public_and_the_default_group_is_closed" {
  command = plan
  variables {
    egress       = "nat"
    nat_gateways = 2
  }
  assert {
    condition     = alltrue([for s in merge(aws_subnet.private, aws_subnet.nat) : !s.map_public_ip_on_launch])
    error_message = "what starts in it has a public address"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_route.nat) == 2
    error_message = "one gateway for each zone"
  }
  assert {
    condition     = length(distinct(concat([for s in aws_subnet.private : s.cidr_block], [for s in aws_subnet.nat : s.cidr_block]))) == 4
    error_message = "subnets overlap"
  }
}

run "one_gateway_serves_all_zones" {
  command = plan
  variables {
    egress = "nat"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2
    error_message = "a zone has no way out"
  }
}

run "endpoints_are_for_this_account" {
  command = plan
  variables {
    endpoints = ["sqs"]
  }
  assert {
    condition     = jsondecode(aws_vpc_endpoint.this["sqs"].policy).Statement[0].Condition.StringEquals["aws:PrincipalAccount"] == "123456789012"
    error_message = "a role of another account could carry data out"
  }
}

run "a_database_wants_two_zones" {
  command = plan
  variables {
    availability_zones = ["eu-central-1a"]
  }
  expect_failures = [var.availability_zones]
}
