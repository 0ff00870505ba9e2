output "topics" {
  description = "ARNs of the topics that pages and tickets go to, known before they are made."
  value       = { for severity in ["page", "ticket"] : severity => "arn:aws:sns:${local.place}:${var.name}-${severity}" }
  depends_on  = [aws_sns_topic.this]
}

output "error_alarm_names" {
  description = "For each function the alarm that takes its deployment back."
  value       = { for key in keys(var.functions) : key => "${var.name}-${key}-errors" }
  depends_on  = [aws_cloudwatch_metric_alarm.this]
}

output "runbooks" {
  description = "Runbooks that alarms lead to."
  value       = distinct(concat([for alarm in local.alarms : alarm.runbook], ["error-budget-burns"]))
}
