# What users of the table refer to.

output "arn" {
  description = "ARN of the table, computed from its name: for rights that must be planned before the table exists."
  value       = local.arn
}

output "deletion" {
  description = "Grant to delete items, and to read them first with deletion.reads. null without the variable deletion."
  value = var.deletion == null ? null : {
    environment = { (var.use.environment_variable) = aws_dynamodb_table.this.name }
    policy_json = data.aws_iam_policy_document.grant["deletion"].json
  }
}

output "name" {
  description = "Name of the table. Known once the table exists."
  value       = aws_dynamodb_table.this.name
}

output "stream" {
  description = "The stream of changed keys: its ARN, and the grant of a function that it feeds. null without the variable stream."
  value = var.stream == null ? null : {
    arn = aws_dynamodb_table.this.stream_arn
    use = {
      environment = {}
      policy_json = data.aws_iam_policy_document.grant["stream"].json
    }
  }
}

output "update" {
  description = "Grant to update items, and nothing else. null without the variable update."
  value = var.update == null ? null : {
    environment = { (var.use.environment_variable) = aws_dynamodb_table.this.name }
    policy_json = data.aws_iam_policy_document.grant["update"].json
  }
}

output "use" {
  description = "Grant to read and update items, and to list those of a partition with use.lists_partitions."
  value = {
    environment = { (var.use.environment_variable) = aws_dynamodb_table.this.name }
    policy_json = data.aws_iam_policy_document.grant["use"].json
  }
}
