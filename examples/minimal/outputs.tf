# Where to connect, and what to subscribe to.

output "iot_endpoint" {
  description = "Host of the message broker."
  value       = module.thingbridge.iot_endpoint
}

output "topics" {
  description = "Topic filters of the stack and of its users."
  value       = module.thingbridge.topics
}
