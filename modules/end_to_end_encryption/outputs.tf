# What the functions need, and what others may wait for.

output "kek_label" {
  description = "Label under which The Things Stack names the key encryption key, known to it when this value is used: the ARN of the secret."
  value       = var.key_encryption_key_secret.arn
  depends_on  = [aws_lambda_invocation.this]
}

output "layer_arn" {
  description = "ARN of the layer version with the cryptography, for the functions that encrypt and decrypt."
  value       = aws_lambda_layer_version.cryptography.arn
}

output "table_name" {
  description = "Name of the table of sessions, there when this value is used."
  value       = aws_dynamodb_table.sessions.name
}

output "table_static_arn" {
  description = "ARN of the table of sessions as its name gives it: for what must be planned before the table is there."
  value       = local.table_arn
}
