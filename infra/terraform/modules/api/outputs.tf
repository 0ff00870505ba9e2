output "id" {
  description = "Id of the API, as its metrics have it."
  value       = aws_apigatewayv2_api.this.id
}

output "origin_url" {
  description = "Where the edge forwards to, without a slash at its end."
  value       = var.domain == null ? aws_apigatewayv2_api.this.api_endpoint : "https://${var.domain.name}"
}

output "access_log_group_name" {
  description = "Name of the access log's group."
  value       = aws_cloudwatch_log_group.access.name
}

output "domain_target" {
  description = "What the domain's CNAME record points to; null without a domain."
  value       = var.domain == null ? null : aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].target_domain_name
}
