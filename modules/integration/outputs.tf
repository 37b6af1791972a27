# What others may refer to once The Things Stack is configured.

output "base_topic" {
  description = "Topic below which The Things Stack publishes from now on."
  value       = "thethings/lorawan/${var.stack_name}"
  depends_on  = [aws_lambda_invocation.this]
}
