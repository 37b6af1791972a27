# Names, queues, and where failed events wait.

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value = merge(
    { registry_dead_letters = {
      arn       = module.queue.dead_letter_queue.arn
      url       = module.queue.dead_letter_queue.url
      replay_to = { function_name = null, queue_url = module.queue.queue.url }
    } },
    { for queue in module.sync_queue : "sync_dead_letters" => {
      arn       = queue.dead_letter_queue.arn
      url       = queue.dead_letter_queue.url
      replay_to = { function_name = null, queue_url = queue.queue.url }
    } },
  )
}

output "function_name" {
  description = "Name of the function that works on registry events."
  value       = module.function.name
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "registry"
    purpose = "things, devices and their comparison"
    parts   = concat([module.function.observed, module.queue.observed, module.rule.observed], module.sync[*].observed, module.sync_queue[*].observed)
    alarms  = [for alarm in values(aws_cloudwatch_metric_alarm.this) : alarm.alarm_name]
    graphs  = local.graphs
  }
}

output "queue_url" {
  description = "URL of the queue of registry events."
  value       = module.queue.queue.url
}

output "ready" {
  description = "Known once registry events are read and handled."
  value       = [module.rule.arn, module.queue.mapping_arn]
}

output "sync_function_name" {
  description = "Name of the function that compares the registries; null without sync."
  value       = one(module.sync[*].name)
}

output "sync_queue_url" {
  description = "URL of the queue that starts a comparison: a message {\"start\": …} in the group sync starts one by hand. null without sync."
  value       = one(module.sync_queue[*].queue.url)
}

output "sync_ready" {
  description = "Known once the registries are compared on schedule."
  value       = concat(module.sync_schedule[*].arn, module.sync_queue[*].mapping_arn)
}
