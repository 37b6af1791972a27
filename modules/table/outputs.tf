# What users of the table refer to.

output "arn" {
  description = "ARN of the table, computed from its name: for rights that must be planned before the table exists."
  value       = local.arn
}

output "deletion" {
  description = "Grant to delete items, and nothing else. null without the variable deletion."
  value = var.deletion == null ? null : {
    environment = { (var.use.environment_variable) = aws_dynamodb_table.this.name }
    policy_json = data.aws_iam_policy_document.deletion[0].json
  }
}

output "name" {
  description = "Name of the table. Known once the table exists."
  value       = aws_dynamodb_table.this.name
}

output "use" {
  description = "Grant to read and update items."
  value = {
    environment = { (var.use.environment_variable) = aws_dynamodb_table.this.name }
    policy_json = data.aws_iam_policy_document.use.json
  }
}
