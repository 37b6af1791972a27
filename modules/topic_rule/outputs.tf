# What others refer to.

output "arn" {
  description = "ARN of the rule. Known once the rule exists."
  value       = aws_iot_topic_rule.this.arn
}

output "evaluated" {
  description = "What AWS IoT evaluates for each message: the statement, and the topic of a republish action with its substitution templates (null for another action)."
  value = {
    sql   = aws_iot_topic_rule.this.sql
    topic = try(var.action.republish.topic, null)
  }
}

output "name" {
  description = "Name of the rule."
  value       = aws_iot_topic_rule.this.name
}

output "observed" {
  description = "What a dashboard shows of it: its alarms, functions, rules, queues and queues of failures, by name."
  value = {
    alarms    = concat(aws_cloudwatch_metric_alarm.failures[*].alarm_name, aws_cloudwatch_metric_alarm.throttled[*].alarm_name)
    failures  = []
    functions = []
    queues    = []
    rules     = [local.name]
  }
}

output "topic_filter" {
  description = "Topic filter of the messages that the rule reads. Whoever publishes on a topic that it takes from here does so once the rule exists."
  value       = var.topic_filter
  depends_on  = [aws_iot_topic_rule.this]
}
