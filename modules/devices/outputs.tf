# Where failed messages wait.

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value       = local.telemetry_failures
}
