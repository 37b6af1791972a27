# Where the secrets are. Each value waits for the secret's first version, so that a reader finds one.

output "api_key_secret_arn" {
  description = "ARN of the secret that holds the API key: the one made here or the one that was given."
  value       = one(concat(aws_secretsmanager_secret.api_key[*].arn, var.api_key_secret_arn[*]))
  depends_on  = [aws_secretsmanager_secret_version.api_key]
}

output "key_encryption_key_secret_arn" {
  description = "ARN of the secret that holds the key encryption key."
  value       = aws_secretsmanager_secret.key_encryption_key.arn
  depends_on  = [aws_secretsmanager_secret_version.key_encryption_key]
}
