# The alarm of the table's stream, if the caller says what alarms do. Lambda reports the age of the records that it reads; of a stream without
# records it reports nothing, which is not a fault.

resource "aws_cloudwatch_metric_alarm" "stream" {
  count = var.alarms == null ? 0 : 1

  alarm_name          = "${var.stack.name}-downlink-stream"
  alarm_description   = "Downlink requests wait in the table ${var.stack.name}-downlinks, and the function ${var.stack.name}-downlink has not read of them for 5 minutes: find the reason in its log. ${var.alarms.runbook}#waiting-downlinks"
  namespace           = "AWS/Lambda"
  metric_name         = "IteratorAge"
  dimensions          = { FunctionName = "${var.stack.name}-downlink" }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 300000 # milliseconds
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
