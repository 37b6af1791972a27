# Topics, names, and where failed messages wait.

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value = {
    upstream_failures = {
      arn       = module.function.failure_queue.arn
      url       = module.function.failure_queue.url
      replay_to = { function_name = module.function.name, queue_url = null }
    }
    waiting_dead_letters = {
      arn       = module.waiting_queue.dead_letter_queue.arn
      url       = module.waiting_queue.dead_letter_queue.url
      replay_to = { function_name = null, queue_url = module.waiting_queue.queue.url }
    }
  }
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "inbound_topics" {
  description = "Topic filters that the rule reads."
  value       = { things_stack = "${var.base_topic}/#" }
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "upstream"
    purpose = "messages of The Things Stack"
    parts   = [module.function.observed, module.rule.observed, module.waiting.observed, module.waiting_queue.observed]
    alarms  = [for alarm in values(aws_cloudwatch_metric_alarm.this) : alarm.alarm_name]
    graphs  = []
  }
}

output "public_topics" {
  description = "Topic filters that users of things subscribe to; + is the name of the thing."
  value = {
    downlink_ack         = "lorawan/+/downlink/ack"
    downlink_failed      = "lorawan/+/downlink/failed"
    downlink_invalidated = "lorawan/+/downlink/invalidated"
    downlink_nack        = "lorawan/+/downlink/nack"
    downlink_queued      = "lorawan/+/downlink/queued"
    downlink_sent        = "lorawan/+/downlink/sent"
    join                 = "lorawan/+/join"
    location_solved      = "lorawan/+/location/solved"
    service_data         = "lorawan/+/service/data"
    uplink               = "lorawan/+/uplink"
  }
}

output "ready" {
  description = "Known once messages of The Things Stack are read and handled."
  value       = [module.rule.arn, module.waiting_queue.mapping_arn]
}

output "waiting_function_name" {
  description = "Name of the function that handles messages which waited for their thing."
  value       = module.waiting.name
}

output "waiting_queue_url" {
  description = "URL of the queue in which messages wait for their thing."
  value       = module.waiting_queue.queue.url
}
