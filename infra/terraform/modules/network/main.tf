locals {
  zones = { for index, zone in var.availability_zones : zone => index }
  nat   = var.egress == "nat" ? { for zone, index in local.zones : zone => index if index < var.nat_gateways } : {}
  # The gateway of the zone, or the first one where the zone has none.
  nat_of = { for zone, index in local.zones : zone => var.availability_zones[min(index, var.nat_gateways - 1)] }
  place  = "${var.location.region}:${var.location.account_id}"
}

resource "aws_vpc" "this" {
  region                           = var.location.region
  cidr_block                       = var.cidr
  assign_generated_ipv6_cidr_block = true
  enable_dns_support               = true
  enable_dns_hostnames             = true
  tags                             = { Name = var.name }
}

# What is in no group of its own can reach nothing and be reached by nothing.
resource "aws_default_security_group" "closed" {
  region = var.location.region
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "private" {
  for_each                        = local.zones
  region                          = var.location.region
  vpc_id                          = aws_vpc.this.id
  availability_zone               = each.key
  cidr_block                      = cidrsubnet(var.cidr, 4, each.value)
  ipv6_cidr_block                 = cidrsubnet(aws_vpc.this.ipv6_cidr_block, 8, each.value)
  assign_ipv6_address_on_creation = true
  map_public_ip_on_launch         = false
  tags                            = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table" "private" {
  for_each = local.zones
  region   = var.location.region
  vpc_id   = aws_vpc.this.id
  tags     = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table_association" "private" {
  for_each       = local.zones
  region         = var.location.region
  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# Connections go out by it; none comes in.
resource "aws_egress_only_internet_gateway" "this" {
  count  = var.egress == "none" ? 0 : 1
  region = var.location.region
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_route" "ipv6" {
  for_each                    = var.egress == "none" ? {} : local.zones
  region                      = var.location.region
  route_table_id              = aws_route_table.private[each.key].id
  destination_ipv6_cidr_block = "::/0"
  egress_only_gateway_id      = aws_egress_only_internet_gateway.this[0].id
}

resource "aws_internet_gateway" "this" {
  count  = length(local.nat) > 0 ? 1 : 0
  region = var.location.region
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

# Nothing runs in it but NAT gateways.
resource "aws_subnet" "nat" {
  for_each                = local.nat
  region                  = var.location.region
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr, 4, 8 + each.value)
  map_public_ip_on_launch = false
  tags                    = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_route_table" "nat" {
  count  = length(local.nat) > 0 ? 1 : 0
  region = var.location.region
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${var.name}-nat" }
}

resource "aws_route" "nat_out" {
  count                  = length(local.nat) > 0 ? 1 : 0
  region                 = var.location.region
  route_table_id         = aws_route_table.nat[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "nat" {
  for_each       = local.nat
  region         = var.location.region
  subnet_id      = aws_subnet.nat[each.key].id
  route_table_id = aws_route_table.nat[0].id
}

resource "aws_eip" "nat" {
  for_each = local.nat
  region   = var.location.region
  domain   = "vpc"
  tags     = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each      = local.nat
  region        = var.location.region
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.nat[each.key].id
  tags          = { Name = "${var.name}-${each.key}" }
  depends_on    = [aws_route.nat_out]
}

resource "aws_route" "nat" {
  for_each               = var.egress == "nat" ? local.zones : {}
  region                 = var.location.region
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[local.nat_of[each.key]].id
}

resource "aws_security_group" "functions" {
  region      = var.location.region
  name        = "${var.name}-functions"
  description = "Functions: they call, nobody calls them here"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-functions" }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = var.egress == "none" && length(var.endpoints) == 0 ? {} : { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }
  region            = var.location.region
  security_group_id = aws_security_group.functions.id
  description       = "To AWS, to the PSP and to the tenants' systems"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_security_group" "endpoints" {
  count       = length(var.endpoints) > 0 ? 1 : 0
  region      = var.location.region
  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS services: reached by functions only"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count                        = length(var.endpoints) > 0 ? 1 : 0
  region                       = var.location.region
  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "From functions"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.functions.id
}

resource "aws_vpc_endpoint" "this" {
  for_each            = var.endpoints
  region              = var.location.region
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.location.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints[0].id]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      # What a role may do is said by its own policy; this keeps other accounts' roles out.
      Sid       = "ThisAccountOnly"
      Effect    = "Allow"
      Principal = "*"
      Action    = "${each.key}:*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = var.location.account_id } }
    }]
  })
  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_cloudwatch_log_group" "flow" {
  count             = var.flow_log_retention_days > 0 ? 1 : 0
  region            = var.location.region
  name              = "/souk/${var.name}/rejected-connections"
  retention_in_days = var.flow_log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "flow" {
  count       = var.flow_log_retention_days > 0 ? 1 : 0
  name        = "${var.name}-${var.location.region}-flow"
  description = "Writes the records of rejected connections"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.location.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "flow" {
  count = var.flow_log_retention_days > 0 ? 1 : 0
  name  = "write"
  role  = aws_iam_role.flow[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Write"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = ["arn:aws:logs:${local.place}:log-group:/souk/${var.name}/rejected-connections:*"]
    }]
  })
}

resource "aws_flow_log" "rejected" {
  count                = var.flow_log_retention_days > 0 ? 1 : 0
  region               = var.location.region
  vpc_id               = aws_vpc.this.id
  traffic_type         = "REJECT"
  log_destination_type = "cloud-watch-logs"
  log_destination      = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn         = aws_iam_role.flow[0].arn
}
