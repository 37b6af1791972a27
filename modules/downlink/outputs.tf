# Topics, names, and where failed messages wait.

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value = {
    downlink_failures = {
      arn       = module.function.failure_queue.arn
      url       = module.function.failure_queue.url
      replay_to = { function_name = module.function.name, queue_url = null }
    }
  }
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "inbound_topics" {
  description = "Topic filters of downlink requests."
  value       = local.request_topics
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "downlink"
    purpose = "requests of users"
    parts   = concat([module.function.observed], values(module.request_rules)[*].observed, module.delta_rule[*].observed)
    alarms  = []
    graphs  = []
  }
}

output "public_topics" {
  description = "Topic filters that users of things subscribe to; + is the name of the thing."
  value       = { downlink_rejected = "lorawan/+/downlink/rejected" }
}

output "ready" {
  description = "Known once downlink requests are read and handled."
  value       = concat(values(module.request_rules)[*].arn, module.delta_rule[*].arn)
}
