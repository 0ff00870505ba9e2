output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Ids of the subnets that functions and databases are in."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "functions_security_group_id" {
  description = "Id of the group that functions are in."
  value       = aws_security_group.functions.id
}

output "reaches_internet" {
  description = "Whether functions reach any address: only through NAT."
  value       = var.egress == "nat"
}

output "reaches" {
  description = "AWS services that functions reach."
  value       = var.egress == "none" ? var.endpoints : toset(["sqs", "secretsmanager"])
}
