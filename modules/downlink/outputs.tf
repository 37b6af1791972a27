# Topics, names, and where failed messages wait.

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value = {
    downlink_dead_letters = {
      arn       = module.queue.dead_letter_queue.arn
      url       = module.queue.dead_letter_queue.url
      replay_to = { function_name = null, queue_url = module.queue.queue.url }
    }
    sending_dead_letters = {
      arn       = module.sending.dead_letter_queue.arn
      url       = module.sending.dead_letter_queue.url
      replay_to = { function_name = null, queue_url = module.sending.queue.url }
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
    parts = concat(
      [module.function.observed, module.queue.observed, module.sending.observed],
      values(module.request_rules)[*].observed,
      module.delta_rule[*].observed,
    )
    alarms = aws_cloudwatch_metric_alarm.stream[*].alarm_name
    graphs = []
  }
}

output "public_topics" {
  description = "Topic filters that users of things subscribe to; + is the name of the thing."
  value       = { downlink_rejected = "lorawan/+/downlink/rejected" }
}

output "queue_urls" {
  description = "URLs of the queues that the function works on: downlink has what a rule does not write into the table, sending the tickets."
  value = {
    downlink = module.queue.queue.url
    sending  = module.sending.queue.url
  }
}

output "ready" {
  description = "Known once downlink requests are read and handled."
  value = concat(
    values(module.request_rules)[*].arn,
    module.delta_rule[*].arn,
    [module.queue.mapping_arn, module.sending.mapping_arn, aws_lambda_event_source_mapping.stream.arn],
  )
}
