# Where the secret is, and when it has a value. ARN and grant wait for the secret alone: the provider replaces a version to write another
# value, and what depends on it should not wait for that, nor make Terraform create the new one first. It would then keep the old one until
# all else has succeeded, and fail to delete it after one more change, as the label AWSPREVIOUS has moved on.

output "arn" {
  description = "ARN of the secret: the one created here or the existing one."
  value       = local.arn
}

output "ready" {
  description = "Values that are known once the secret has its value: for what reads it during an apply."
  value       = aws_secretsmanager_secret_version.this[*].version_id
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
}
