# What others refer to.

output "arn" {
  description = "ARN of the rule. Known once the rule exists."
  value       = aws_iot_topic_rule.this.arn
}

output "name" {
  description = "Name of the rule."
  value       = aws_iot_topic_rule.this.name
}
