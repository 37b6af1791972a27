# Alarms of the function and of the queue of events that it failed on, if the caller says what alarms do. Nothing is reported of a function
# that is not invoked and of an empty queue that nobody reads: missing data is not a fault.

locals {
  of_function = { namespace = "AWS/Lambda", dimensions = { FunctionName = var.name } }
  of_failures = { namespace = "AWS/SQS", dimensions = { QueueName = "${var.name}-failures" } }

  # An event that failed once is tried again, and what was given up is in a queue with an alarm: a single error needs nobody.
  alarms = {
    errors = merge(local.of_function, {
      wanted      = true
      metric      = "Errors"
      statistic   = "Sum"
      threshold   = 1
      periods     = 3
      datapoints  = 2
      description = "The function ${var.name} fails again and again: find the reason in its log /aws/lambda/${var.name}, and remove it."
      section     = "function-errors"
    })
    throttles = merge(local.of_function, {
      wanted      = true
      metric      = "Throttles"
      statistic   = "Sum"
      threshold   = 1
      periods     = 3
      datapoints  = 2
      description = "Invocations of the function ${var.name} are refused: raise its reserved concurrency, or the account's quota of concurrent executions."
      section     = "function-throttles"
    })
    duration = merge(local.of_function, {
      wanted      = !var.long_running
      metric      = "Duration"
      statistic   = "Maximum"
      threshold   = 800 * var.timeout # milliseconds: 80 % of the timeout
      periods     = 3
      datapoints  = 2
      description = "Invocations of the function ${var.name} take nearly its timeout of ${var.timeout} s: find out what it waits for before they are ended."
      section     = "function-duration"
    })
    failures = merge(local.of_failures, {
      wanted      = local.keeps_failures
      metric      = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      threshold   = 1
      periods     = 1
      datapoints  = 1
      description = "Events that the function ${var.name} failed on wait in ${var.name}-failures: read the reason, remove it, and replay them within their retention."
      section     = "messages-that-failed"
    })
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms != null && alarm.wanted }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} ${var.alarms.runbook}#${each.value.section}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
