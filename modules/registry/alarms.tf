# Alarms on what the comparison counts, if the caller says what alarms do, and its graphs. A comparison runs now and then: without a new
# one, an alarm stays as it is.

locals {
  # An hour has several runs. What one of them found is corrected by the next, unless differences are only reported.
  alarms = {
    drift = {
      metric      = "Drift"
      statistic   = "Minimum"
      periods     = var.sync.mode == "report" ? 1 : 2
      description = var.sync.mode == "report" ? "Things and devices differ, and registry_sync only reports it: see with `thingbridge sync --dry-run` what would be changed, and correct it." : "Things and devices still differ after hours of comparisons: see in the log of ${var.stack.name}-registry why they can't be corrected."
      section     = "comparison-differences"
    }
    failed = {
      metric      = "Failed"
      statistic   = "Maximum"
      periods     = 1
      description = "The comparison found things that it can't correct: complete or correct those that the log of ${var.stack.name}-sync names."
      section     = "comparison-things-that-need-a-person"
    }
    refused = {
      metric      = "Refused"
      statistic   = "Maximum"
      periods     = 1
      description = "The comparison refused to delete many devices at once: create the missing things again, or permit it with `thingbridge sync --allow-deletions`."
      section     = "comparison-refused-deletions"
    }
  }

  graphs = !var.sync.enabled ? [] : [{
    title = "Comparison of both registries"
    stat  = "Maximum"
    metrics = [for metric in ["Drift", "Failed", "Refused", "Sent"] :
      ["Thingbridge", metric, "StackName", var.stack.name]
    ]
    searches = []
  }]
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms != null && var.sync.enabled }

  alarm_name          = "${var.stack.name}-comparison-${each.key}"
  alarm_description   = "${each.value.description} ${var.alarms.runbook}#${each.value.section}"
  namespace           = "Thingbridge"
  metric_name         = each.value.metric
  dimensions          = { StackName = var.stack.name }
  statistic           = each.value.statistic
  period              = 3600
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
