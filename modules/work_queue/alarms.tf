# Alarms of the queue and of its dead-letter queue, if the caller says what alarms do. SQS reports nothing of a queue that was empty and
# unused for hours: missing data is not a fault.

locals {
  alarms = {
    age = {
      queue       = local.name
      metric      = "ApproximateAgeOfOldestMessage"
      threshold   = var.longest_wait_seconds
      description = "Messages in ${local.name} wait longer than ${var.longest_wait_seconds} s: see in the log of the function that works on it what delays them."
      section     = "oldest-message"
    }
    dead-letters = {
      queue       = "${var.name}-dead-letters${local.suffix}"
      metric      = "ApproximateNumberOfMessagesVisible"
      threshold   = 1
      description = "Messages were given up and wait in ${var.name}-dead-letters${local.suffix}: read the reason, remove it, and replay them within 14 days."
      section     = "messages-that-failed"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms != null }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} ${var.alarms.runbook}#${each.value.section}"
  namespace           = "AWS/SQS"
  metric_name         = each.value.metric
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
