# Names and topics of what reads the readings of devices. All of them are null without telemetry, or empty.

output "alert_topic_arn" {
  description = "ARN of the topic of Amazon SNS on which changes of level are notified: subscribe people and systems to it. null without notifications."
  value       = local.alert_topic_arn
}

output "telemetry_function_name" {
  description = "Name of the function that evaluates readings; null without telemetry."
  value       = one(module.telemetry_function[*].name)

  # Lambda takes 4 KB of environment variables.
  precondition {
    condition     = length(jsonencode(local.reading_types)) <= 3000
    error_message = "telemetry.types and telemetry.status must together take at most 3000 characters of JSON, as they are settings of a function; got ${length(jsonencode(local.reading_types))}."
  }
}

output "telemetry_ready" {
  description = "Known once readings are read and handled. Empty without telemetry."
  value       = concat(values(module.telemetry_rules)[*].arn, module.records_rule[*].arn)
}

output "telemetry_topics" {
  description = "Topic filters of readings (the last + is the name of the thing, the one before it the type): where devices publish, and where records and rejections are published. null without telemetry."
  value       = local.telemetry_on ? merge(local.reading_topics, local.answer_topics) : null
}
