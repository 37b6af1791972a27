# What others refer to.

output "arn" {
  description = "ARN of the schedule. Known once the schedule exists."
  value       = aws_scheduler_schedule.this.arn
}
