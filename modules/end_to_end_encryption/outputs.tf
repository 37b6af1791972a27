# What the functions need, what The Things Stack is configured with, and where failed downlinks wait.

output "downlinks" {
  description = "What a function needs to encrypt downlinks, which it counts: its grant and layers."
  value = {
    layer_arns = local.layer_arns
    use        = local.downlinks
  }
}

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value = {
    requeue_dead_letters = {
      arn       = module.requeue_queue.dead_letter_queue.arn
      url       = module.requeue_queue.dead_letter_queue.url
      replay_to = { function_name = null, queue_url = module.requeue_queue.queue.url }
    }
  }
}

output "key_encryption_key" {
  description = "Secret of the key encryption key: its ARN, and the number that is raised when a new one is generated. Known once sessions can be stored: the first one that begins encrypted must find its place."
  value = {
    secret_arn = module.key_encryption_key.arn
    version    = module.key_encryption_key.secret_version
  }
  depends_on = [aws_iam_role_policy.configure, module.key_encryption_key, module.sessions]
}

output "messages" {
  description = "What a function needs to decrypt messages: its grant and layers."
  value = {
    layer_arns = local.layer_arns
    use        = local.messages
  }
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "end_to_end_encryption"
    purpose = "downlinks that are encrypted again"
    parts   = concat([module.requeue.observed, module.requeue_queue.observed], values(module.requeue_rules)[*].observed)
    alarms  = []
    graphs  = []
  }
}

output "queue_url" {
  description = "URL of the queue of downlinks to be encrypted again."
  value       = module.requeue_queue.queue.url
}

output "ready" {
  description = "Known once downlinks that The Things Stack returns are read and handled."
  value       = concat(values(module.requeue_rules)[*].arn, [module.requeue_queue.mapping_arn])
}

output "requeue_function_name" {
  description = "Name of the function that encrypts downlinks again."
  value       = module.requeue.name
}
