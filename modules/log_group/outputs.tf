# What writers and readers of the log refer to.

output "arn" {
  description = "ARN of the log group, computed from its name, without the trailing \":*\"."
  value       = local.arn
}

output "name" {
  description = "Name of the log group. Known once the group exists."
  value       = aws_cloudwatch_log_group.this.name
}

output "use" {
  description = "Grant to write to the log."
  value = {
    environment = { (var.use.environment_variable) = aws_cloudwatch_log_group.this.name }
    policy_json = data.aws_iam_policy_document.use.json
  }
}
