# Alarms of the rule, if the caller says what alarms do. AWS IoT reports nothing of a rule that no message matches: missing data is not a fault.

# By a query, as AWS IoT reports failures by the type of the action too, and does not document how it spells the types.
resource "aws_cloudwatch_metric_alarm" "failures" {
  count = var.alarms == null ? 0 : 1

  alarm_name          = "${var.name}-rule-failures"
  alarm_description   = "AWS IoT could not pass on messages that the rule ${local.name} selected: find the reason in the queue of failures of its function, and remove it. ${var.alarms.runbook}#rule-failures"
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags

  metric_query {
    id          = "failures"
    expression  = "SELECT SUM(Failure) FROM \"AWS/IoT\" WHERE RuleName = '${local.name}'"
    period      = 300
    return_data = true
  }
}

# What AWS IoT throttles reaches neither the action nor the error action.
resource "aws_cloudwatch_metric_alarm" "throttled" {
  count = var.alarms == null ? 0 : 1

  alarm_name          = "${var.name}-rule-throttled"
  alarm_description   = "AWS IoT dropped messages that the rule ${local.name} selects: have the quota of rule evaluations raised, and have senders send less until then. ${var.alarms.runbook}#rule-throttled"
  namespace           = "AWS/IoT"
  metric_name         = "RuleMessageThrottled"
  dimensions          = { RuleName = local.name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
