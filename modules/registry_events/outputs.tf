# What others may refer to once the events are on.

output "topic_filter" {
  description = "Topic filter of the events that are now published: thing name, then created, updated or deleted."
  value       = "$aws/events/thing/+/+"
  depends_on  = [aws_lambda_invocation.this]
}
