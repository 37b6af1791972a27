# What who makes the client's certificate must know.

output "policy_name" {
  description = "Name of the policy: what carries it is a certificate of this client. Known once the keeper may make one."
  value       = aws_iot_policy.this.name
  depends_on  = [aws_iam_role_policy.keeper]
}
