# What senders and readers refer to, and the grants of both.

output "dead_letter_queue" {
  description = "Dead-letter queue: its ARN, name and URL."
  value = {
    arn  = aws_sqs_queue.dead_letters.arn
    name = aws_sqs_queue.dead_letters.name
    url  = aws_sqs_queue.dead_letters.url
  }
}

output "give_up" {
  description = "Grant to move a message to the dead-letter queue; null without the variable give_up."
  value       = var.give_up == null ? null : { environment = {}, policy_json = data.aws_iam_policy_document.grant["give_up"].json }
}

output "mapping_arn" {
  description = "ARN of the event source mapping. Known once the function receives messages."
  value       = aws_lambda_event_source_mapping.this.arn
}

output "observed" {
  description = "What a dashboard shows of it: its alarms, functions, rules, queues and queues of failures, by name."
  value = {
    alarms    = [for alarm in values(aws_cloudwatch_metric_alarm.this) : alarm.alarm_name]
    failures  = [aws_sqs_queue.dead_letters.name]
    functions = []
    queues    = [aws_sqs_queue.this.name]
    rules     = []
  }
}

output "queue" {
  description = "The queue: its ARN, name and URL."
  value = {
    arn  = aws_sqs_queue.this.arn
    name = aws_sqs_queue.this.name
    url  = aws_sqs_queue.this.url
  }
}

output "send" {
  description = "Grant to send to the queue; null without the variable send. The URL is computed, so a function that has the grant may exist before the queue: what invokes it waits for the output queue."
  value = var.send == null ? null : {
    environment = { (var.send.environment_variable) = local.url }
    policy_json = data.aws_iam_policy_document.grant["send"].json
  }
}

output "static" {
  description = "ARNs and URLs of the queue and of its dead-letter queue, computed from their names: for grants that must be planned, or functions that are created, before the queues exist."
  value = {
    queue             = { arn = local.arn, url = local.url }
    dead_letter_queue = { arn = local.dead_letters_arn, url = local.dead_letters_url }
  }
}

output "work" {
  description = "Grant to work on the queue: receive messages, delete them, and set when failed ones are delivered again."
  value = {
    environment = { MAXIMUM_RECEIVE_COUNT = tostring(var.maximum_receive_count) }
    policy_json = data.aws_iam_policy_document.grant["work"].json
  }
}
