# Alarms on how many messages arrive, if the caller says what alarms do: all that can be seen in AWS of a connection that The Things Stack
# lost, or that is too small. Those of the function and the rule are created by them.

locals {
  # Messages that the rule selects, whatever their kind.
  alarms = {
    connection = {
      wanted      = var.publishes_per_second != null
      comparison  = "GreaterThanOrEqualToThreshold"
      threshold   = var.publishes_per_second == null ? 0 : 0.8 * 60 * var.publishes_per_second
      periods     = 5
      datapoints  = 3
      missing     = "notBreaching" # no message is far from too many
      description = "The Things Stack sends more than 80 % of what AWS IoT takes of one connection: distribute the devices over two applications, each with a stack, before messages are lost."
      section     = "share-of-the-connection"
    }
    silence = {
      wanted      = var.silence_minutes != null
      comparison  = "LessThanThreshold"
      threshold   = 1
      periods     = coalesce(var.silence_minutes, 1)
      datapoints  = coalesce(var.silence_minutes, 1)
      missing     = "breaching" # AWS IoT reports nothing of a rule that no message matches: that is the fault
      description = "No message of The Things Stack has arrived for ${coalesce(var.silence_minutes, 0)} minutes: see in its Console whether the integration is connected and gateways are."
      section     = "silence"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms != null && alarm.wanted }

  alarm_name          = "${var.stack.name}-upstream-${each.key}"
  alarm_description   = "${each.value.description} ${var.alarms.runbook}#${each.value.section}"
  namespace           = "AWS/IoT"
  metric_name         = "TopicMatch"
  dimensions          = { RuleName = module.rule.name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
