# What the stack's users and The Things Stack need to know.

output "cross_account_role_arn" {
  description = "ARN of the role The Things Stack assumes; null for a way in that assumes none."
  value       = one(module.things_stack_role[*].arn)
}

output "default_frequency_plan_id" {
  description = "Frequency plan of devices created from AWS that name none."
  value       = local.frequency_plan_id
}

output "external_id" {
  description = "External id The Things Stack shows when it assumes the role; null when it is asked for none."
  value       = local.external_id
}

output "function_names" {
  description = "Names of the functions. null: requeue without end_to_end_encryption, shadow unless shadow.min_interval_seconds is set, sync without registry_sync, webhook unless ingest.mode is \"webhook\"."
  value = {
    configure = module.configure.name
    downlink  = module.downlink.name
    registry  = module.registry.name
    requeue   = one(module.requeue[*].name)
    shadow    = one(module.shadow[*].name)
    sync      = one(module.sync[*].name)
    upstream  = module.upstream.name
    webhook   = one(module.webhook_function[*].name)
  }
}

output "iot_endpoint" {
  description = "Host of AWS IoT Core's message broker in this account and region."
  value       = data.aws_iot_endpoint.this.endpoint_address
}

output "queue_urls" {
  description = "URLs of the queues the stack works off (registry, requeue, shadow, sync), and of those that hold what failed. null: those of requeue without end_to_end_encryption, of shadow unless shadow.min_interval_seconds is set, of sync without registry_sync."
  value = {
    downlink_failures     = module.downlink.failure_queue.url
    registry              = module.registry_queue.queue.url
    registry_dead_letters = module.registry_queue.dead_letter_queue.url
    requeue               = one(module.requeue_queue[*].queue.url)
    requeue_dead_letters  = one(module.requeue_queue[*].dead_letter_queue.url)
    shadow                = one(module.shadow_queue[*].queue.url)
    shadow_dead_letters   = one(module.shadow_queue[*].dead_letter_queue.url)
    sync                  = one(module.registry_sync[*].queue.url)
    sync_dead_letters     = one(module.registry_sync[*].dead_letter_queue.url)
    upstream_failures     = module.upstream.failure_queue.url
  }
}

output "thing_type_name" {
  description = "Thing type of devices. Known to exist when this value is, unless create_thing_type is false."
  value       = one(concat(module.thing_type[*].name, var.create_thing_type ? [] : [var.thing_type_name]))
}

output "things_log_group_name" {
  description = "Log group with one stream per thing: the first place to look when a device did not appear."
  value       = module.things_log.name
}

output "topics" {
  description = "Topic filters: those the stack listens on (inbound), and those its users subscribe to (public; + is the thing's name)."
  value = {
    inbound = local.inbound_topics
    public  = local.public_topics
  }
}

output "webhook_url" {
  description = "URL The Things Stack posts to; null unless ingest.mode is \"webhook\"."
  value       = one(module.webhook[*].url)
}
