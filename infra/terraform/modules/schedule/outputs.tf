output "name" {
  description = "Name of the schedule."
  value       = aws_scheduler_schedule.this.name
}

output "rate" {
  description = "When it invokes."
  value       = aws_scheduler_schedule.this.schedule_expression
}
