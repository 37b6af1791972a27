# What writers and readers of the log refer to.

output "arn" {
  description = "ARN of the log group, without the trailing \":*\"."
  value       = aws_cloudwatch_log_group.this.arn
}

output "name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}
