# What others may refer to once the rule works.

output "arn" {
  description = "ARN of the rule."
  value       = aws_iot_topic_rule.this.arn
}

output "name" {
  description = "Name of the rule."
  value       = aws_iot_topic_rule.this.name
}
