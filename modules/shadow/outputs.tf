# The grant to write shadows, and what exists only when they are paced.

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to. Empty unless shadows are paced."
  value = { for queue in module.queue : "shadow_dead_letters" => {
    arn       = queue.dead_letter_queue.arn
    url       = queue.dead_letter_queue.url
    replay_to = { function_name = null, queue_url = queue.queue.url }
  } }
}

output "function_name" {
  description = "Name of the function; null unless shadows are paced."
  value       = one(module.function[*].name)
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "shadow"
    purpose = "shadows that are written at most so often"
    parts   = concat(module.function[*].observed, module.queue[*].observed)
    alarms  = []
    graphs  = []
  }
}

output "queue_url" {
  description = "URL of the queue that schedules writes; null unless shadows are paced."
  value       = one(module.queue[*].queue.url)
}

output "ready" {
  description = "Known once scheduled writes are carried out."
  value       = module.queue[*].mapping_arn
}

output "use" {
  description = "Grant to write shadows: at once, or as often as the interval permits."
  value       = local.use
}
