# Alarms on what the function sync counts, in each comparison and once a day, if the caller says what alarms do; and its graphs. It counts
# now and then: until it does again, an alarm stays as it is.

locals {
  of_run = {
    wanted     = var.sync.enabled
    comparison = "GreaterThanOrEqualToThreshold"
    threshold  = 1
    statistic  = "Maximum"
    period     = 3600 # an hour has several runs
    periods    = 1
  }
  of_day = merge(local.of_run, { period = 86400 })

  silence_minutes = try(var.silence.minutes, 0)

  # What one run found is corrected by the next, unless differences are only reported.
  alarms = {
    comparison-drift = merge(local.of_run, {
      metric      = "Drift"
      statistic   = "Minimum"
      periods     = var.sync.mode == "report" ? 1 : 2
      description = var.sync.mode == "report" ? "Things and devices differ, and registry_sync only reports it: see with `thingbridge sync --dry-run` what would be changed, and correct it." : "Things and devices still differ after hours of comparisons: see in the log of ${var.stack.name}-registry why they can't be corrected."
      section     = "comparison-differences"
    })
    comparison-failed = merge(local.of_run, {
      metric      = "Failed"
      description = "The comparison found things that it can't correct: complete or correct those that the log of ${var.stack.name}-sync names."
      section     = "comparison-things-that-need-a-person"
    })
    comparison-refused = merge(local.of_run, {
      metric      = "Refused"
      description = "The comparison refused to delete many devices at once: create the missing things again, or permit it with `thingbridge sync --allow-deletions`."
      section     = "comparison-refused-deletions"
    })
    devices-silent = merge(local.of_run, {
      wanted      = var.sync.enabled && var.silence != null
      metric      = "Silent"
      comparison  = "GreaterThanThreshold"
      threshold   = try(var.silence.tolerated, 0)
      description = "Devices have not sent for ${local.silence_minutes} minutes: see with `thingbridge things list --silent-for ${local.silence_minutes}` which, and whether they have power and a gateway in reach."
      section     = "silent-devices"
    })
    ends-soon = merge(local.of_day, {
      metric      = "DaysLeft"
      comparison  = "LessThanOrEqualToThreshold"
      threshold   = 30
      statistic   = "Minimum"
      description = "The API key or the certificate of the authority ends within 30 days: renew what the log of ${var.stack.name}-sync names."
      section     = "secrets-that-end-soon"
    })
    new-version = merge(local.of_day, {
      wanted      = var.sync.enabled && var.releases_url != null
      metric      = "NewVersion"
      description = "There is a later release of this module: read its changelog, and apply it."
      section     = "new-version"
    })
  }

  graphs = !var.sync.enabled ? [] : concat(
    [{
      title = "Comparison of both registries"
      stat  = "Maximum"
      metrics = [for metric in ["Drift", "Failed", "Refused", "Sent"] :
        ["Thingbridge", metric, "StackName", var.stack.name]
      ]
      searches = []
    }],
    var.silence == null ? [] : [{
      title    = "Silent devices"
      stat     = "Maximum"
      metrics  = [["Thingbridge", "Silent", "StackName", var.stack.name]]
      searches = []
    }],
    [{
      title    = "Days until a secret ends"
      stat     = "Minimum"
      metrics  = [["Thingbridge", "DaysLeft", "StackName", var.stack.name]]
      searches = []
    }],
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms != null && alarm.wanted }

  alarm_name          = "${var.stack.name}-${each.key}"
  alarm_description   = "${each.value.description} ${var.alarms.runbook}#${each.value.section}"
  namespace           = "Thingbridge"
  metric_name         = each.value.metric
  dimensions          = { StackName = var.stack.name }
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
