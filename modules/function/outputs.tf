# What callers of the function refer to. Name and ARN wait for rights and failure queue: an invocation right after the apply finds
# them, and on destroy they outlive the last invocation.

output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
  depends_on  = [aws_iam_role_policy.this, aws_lambda_function_event_invoke_config.this, aws_lambda_function_recursion_config.this]
}

output "failure_queue" {
  description = "Queue of the events that the function failed on, or null: its ARN, name and URL."
  value       = one([for queue in aws_sqs_queue.failures : { arn = queue.arn, name = queue.name, url = queue.url }])
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
  depends_on  = [aws_iam_role_policy.this, aws_lambda_function_event_invoke_config.this]
}

output "observed" {
  description = "What a dashboard shows of it: its alarms, functions, rules, queues and queues of failures, by name."
  value = {
    alarms    = [for alarm in values(aws_cloudwatch_metric_alarm.this) : alarm.alarm_name]
    failures  = aws_sqs_queue.failures[*].name
    functions = [var.name]
    queues    = []
    rules     = []
  }
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "static_arn" {
  description = "ARN of the function, computed from its name: for what must be planned before the function exists."
  value       = local.arn
}
