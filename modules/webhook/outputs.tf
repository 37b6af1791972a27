# What callers of the URL and the function behind it are told.

output "secret_arn" {
  description = "ARN of the secret that callers show."
  value       = aws_secretsmanager_secret.this.arn
  depends_on  = [aws_secretsmanager_secret_version.this]
}

output "url" {
  description = "URL of the function. Known once it can be called."
  value       = aws_lambda_function_url.this.function_url
  depends_on  = [aws_cloudformation_stack.permission]
}
