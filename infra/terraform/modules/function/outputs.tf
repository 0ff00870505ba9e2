output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN of the function, without a version."
  value       = local.arn
}

output "alias" {
  description = "Name of the alias that callers call."
  value       = aws_lambda_alias.live.name
}

output "alias_arn" {
  description = "ARN of the alias, known before it is made."
  value       = "${local.arn}:${var.alias}"
  # Who uses it wants it to be there.
  depends_on = [aws_lambda_alias.live]
}

output "alias_invoke_arn" {
  description = "What an HTTP API calls."
  value       = aws_lambda_alias.live.invoke_arn
}

output "version" {
  description = "The version that was published last."
  value       = aws_lambda_function.this.version
}

output "role_name" {
  description = "Name of the function's role, for what else it must be allowed."
  value       = aws_iam_role.this.name
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "timeout_s" {
  description = "Seconds after which an invocation is ended."
  value       = var.timeout_s
}
