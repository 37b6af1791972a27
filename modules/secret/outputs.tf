# Where the secret is. Each value waits for the secret's first version, so that a reader finds one.

output "arn" {
  description = "ARN of the secret: the one created here or the existing one."
  value       = local.arn
  depends_on  = [aws_secretsmanager_secret_version.this]
}

output "secret_version" {
  description = "The number that is raised when the value changes."
  value       = var.secret_version
}

output "use" {
  description = "Grant to read the secret."
  value = {
    environment = { (var.use.environment_variable) = local.arn }
    policy_json = data.aws_iam_policy_document.use.json
  }
  depends_on = [aws_secretsmanager_secret_version.this]
}
