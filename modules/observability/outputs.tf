# What capabilities give their alarms, and where people look.

output "alarms" {
  description = "What alarms do: ARNs of the actions when a fault begins and when it is over, and where the runbook is. null without observability."
  value = var.settings == null ? null : {
    actions    = local.actions
    ok_actions = var.settings.notify_when_over ? local.actions : []
    runbook    = var.settings.runbook
  }
  depends_on = [aws_sns_topic_policy.alarms]
}

output "dashboard" {
  description = "The dashboard: its name, and its address in the console. null without one."
  value = one([for dashboard in aws_cloudwatch_dashboard.this : {
    name = dashboard.dashboard_name
    url  = "https://${local.console}/cloudwatch/home?region=${var.aws.region}#dashboards/dashboard/${dashboard.dashboard_name}"
  }])
}

output "device_silence" {
  description = "Minutes without an uplink after which a device is silent, and how many silent devices are tolerated; null: the silence of a device is not a fault."
  value       = try(var.settings.device_silence, null)
}

output "failures" {
  description = "Queues that hold what failed: none, as CloudWatch and Amazon SNS keep no notification."
  value       = {}
}

output "silence_minutes" {
  description = "Minutes without any message of The Things Stack after which an alarm fires; null: silence is not a fault."
  value       = try(var.settings.silence_minutes, null)
}

output "topic_arn" {
  description = "ARN of the topic of Amazon SNS that notifies of alarms: subscribe people and systems to it. null if only actions of your own are carried out."
  value       = one(aws_sns_topic.alarms[*].arn)
}
