# What its users refer to.

output "arn" {
  description = "ARN of the table as its name gives it: for rights that must be there before what uses them."
  value       = local.arn
}

output "name" {
  description = "Name of the table. Known to exist when this value is."
  value       = aws_dynamodb_table.this.name
}
