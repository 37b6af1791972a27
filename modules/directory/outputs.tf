# The grants of those who read and keep the table, names, and where failed events wait.

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value = { directory_dead_letters = {
    arn       = module.queue.dead_letter_queue.arn
    url       = module.queue.dead_letter_queue.url
    replay_to = { function_name = null, queue_url = module.queue.queue.url }
  } }
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "messages" {
  description = "Grant to find the things of messages: to read and update items, to count the events that wait, and to send one."
  value = {
    environment = merge(module.table.use.environment, module.queue.send.environment, {
      DIRECTORY_DEAD_LETTERS_URL = module.queue.static.dead_letter_queue.url
    })
    policy_json = data.aws_iam_policy_document.messages.json
  }
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "directory"
    purpose = "which thing a device is"
    parts   = concat([module.function.observed, module.queue.observed], values(module.rule)[*].observed)
    alarms  = []
    graphs  = []
  }
}

output "queue_url" {
  description = "URL of the queue of registry events."
  value       = module.queue.queue.url
}

output "ready" {
  description = "Known once registry events are read and handled."
  value       = concat(values(module.rule)[*].arn, [module.queue.mapping_arn])
}

output "upkeep" {
  description = "Grant to compare the table with listings of things, and to correct it."
  value = {
    environment = module.table.use.environment
    policy_json = data.aws_iam_policy_document.upkeep.json
  }
}

output "use" {
  description = "Grant to record which thing a device is: to update items."
  value       = module.table.update
}
