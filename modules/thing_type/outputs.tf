# What others may refer to once the type is there.

output "name" {
  description = "Name of the thing type. Known to exist when this value is."
  value       = var.name
  depends_on  = [aws_lambda_invocation.this]
}
