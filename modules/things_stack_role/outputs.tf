# What The Things Stack has to be told. The values wait for the policy, so that a first connection finds its rights.

output "arn" {
  description = "ARN of the role."
  value       = aws_iam_role.this.arn
  depends_on  = [aws_iam_role_policy.messages]
}

output "name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
  depends_on  = [aws_iam_role_policy.messages]
}
