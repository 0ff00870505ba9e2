output "name" {
  description = "Name of the queue, with its suffix."
  value       = local.name
}

output "arn" {
  description = "ARN of the queue, known before it is made."
  value       = local.arn
  depends_on  = [aws_sqs_queue.this]
}

output "url" {
  description = "URL of the queue, known before it is made."
  value       = "https://sqs.${var.location.region}.amazonaws.com/${var.location.account_id}/${local.name}"
  depends_on  = [aws_sqs_queue.this]
}

output "dead_letter_name" {
  description = "Name of the queue of dead letters; null where there is none."
  value       = local.has_dlq ? local.dlq_name : null
}

output "dead_letter_arn" {
  description = "ARN of the queue of dead letters; null where there is none."
  value       = local.has_dlq ? local.dlq_arn : null
  depends_on  = [aws_sqs_queue.dead]
}

output "visibility_timeout_s" {
  description = "Seconds for which a message that was received is hidden."
  value       = var.visibility_timeout_s
}

output "fifo" {
  description = "Whether it is a FIFO queue."
  value       = var.fifo
}
