# What others may refer to once it is configured.

output "kek_label" {
  description = "Label of the key encryption key at The Things Stack, known once The Things Stack holds the key: the ARN of the secret. null without end-to-end encryption."
  value       = try(var.end_to_end_encryption.secret_arn, null)
  depends_on  = [aws_lambda_invocation.end_to_end_encryption]
}

output "mode" {
  description = "How messages are received. Known once The Things Stack is configured."
  value       = var.ingest.mode
  depends_on  = [aws_lambda_invocation.this]
}

output "stack" {
  description = "The integration, known once address and API key are checked: what takes it from here is created only then."
  value       = var.stack
  depends_on  = [aws_lambda_invocation.check]
}

output "thing_type_name" {
  description = "Name of the thing type. Known once it exists, unless thing_type is null."
  value       = var.stack.thing_type_name
  depends_on  = [aws_lambda_invocation.thing_type]
}
