# Alarms on what devices are refused and on alerts that reach nobody, if the caller says what alarms do, and the graphs of devices. Each
# function, rule and queue of a function has alarms of its own. What is counted is counted when it happens: missing data is not a fault.
# An alert itself is not an alarm: it is notified on a topic of its own (telemetry.tf).

locals {
  of_stack = { namespace = "Thingbridge", dimensions = { StackName = var.stack.name } }

  alarms = {
    alerts-not-delivered = {
      wanted      = local.creates_alert_topic
      namespace   = "AWS/SNS"
      dimensions  = { TopicName = "${var.stack.name}-alerts" }
      metric      = "NumberOfNotificationsFailed"
      statistic   = "Sum"
      description = "Alerts of devices reached no subscriber of ${var.stack.name}-alerts: correct or delete the subscription that refuses them."
      section     = "alerts-that-are-not-delivered"
    }
    provisioning-refused = merge(local.of_stack, {
      wanted      = local.provisions
      metric      = "ProvisioningRefused"
      statistic   = "Sum"
      description = "Devices asked to be provisioned and were refused: read the reason in the log of things, and add those that may with `thingbridge devices allow`."
      section     = "refused-provisioning"
    })
    readings-refused = merge(local.of_stack, {
      wanted      = local.telemetry_on
      metric      = "ReadingsRefused"
      statistic   = "Sum"
      description = "Readings of devices were refused: read the reason in the log of the thing, and correct the device or its type."
      section     = "refused-readings"
    })
    records-failures = {
      wanted      = length(local.stream) > 0
      namespace   = "AWS/SQS"
      dimensions  = { QueueName = "${var.stack.name}-records-failures" }
      metric      = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      description = "Records that the stream did not take wait in ${var.stack.name}-records-failures: read the reason, remove it, and hand them on within 14 days."
      section     = "messages-that-failed"
    }
  }

  observed_parts = concat(
    [module.function.observed],
    module.telemetry_function[*].observed,
    values(module.telemetry_rules)[*].observed,
    module.records_rule[*].observed,
    [for queue in aws_sqs_queue.records_failures : { alarms = [], failures = [queue.name], functions = [], queues = [], rules = [] }],
    module.provision_function[*].observed,
    module.rotations_function[*].observed,
    module.rotations_rule[*].observed,
  )

  # AWS IoT counts connections and publishes of the whole account.
  account_graphs = [
    for title, metrics in {
      "Connections (MQTT, whole account)" = ["Connect.Success", "Connect.AuthError", "Connect.ClientError", "Connect.Throttle"]
      "Publishes (MQTT, whole account)"   = ["PublishIn.Success", "PublishIn.AuthError", "PublishIn.ClientError", "PublishIn.Throttle"]
    } :
    { title = title, stat = "Sum", searches = [], metrics = [for metric in metrics : ["AWS/IoT", metric, "Protocol", "MQTT"]] }
  ]

  telemetry_graphs = !local.telemetry_on ? [] : [
    {
      title   = "Readings by type, alerts by level"
      stat    = "Sum"
      metrics = []
      searches = [
        "{Thingbridge,StackName,DeviceType} StackName=\"${var.stack.name}\" MetricName=\"Readings\"",
        "{Thingbridge,StackName,DeviceType,AlertLevel} StackName=\"${var.stack.name}\" MetricName=\"LevelChanges\"",
      ]
    },
    {
      title    = "Notifications of alerts"
      stat     = "Sum"
      searches = []
      metrics = !local.creates_alert_topic ? [] : [
        for metric in ["NumberOfMessagesPublished", "NumberOfNotificationsFailed"] : ["AWS/SNS", metric, "TopicName", "${var.stack.name}-alerts"]
      ]
    },
  ]

  refusals = concat(local.telemetry_on ? ["ReadingsRefused"] : [], local.provisions ? ["ProvisioningRefused"] : [])

  refusal_graphs = length(local.refusals) == 0 ? [] : [{
    title    = "Refused readings and provisioning"
    stat     = "Sum"
    searches = []
    metrics  = [for metric in local.refusals : ["Thingbridge", metric, "StackName", var.stack.name]]
  }]

  graphs = concat(local.account_graphs, local.telemetry_graphs, local.refusal_graphs)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms != null && alarm.wanted }

  alarm_name          = "${var.stack.name}-${each.key}"
  alarm_description   = "${each.value.description} ${var.alarms.runbook}#${each.value.section}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.ok_actions
  tags                = var.tags
}
