# What the stack's users, The Things Stack and the command line need to know.

output "cross_account_role_arn" {
  description = "ARN of the role that The Things Stack assumes; null for a mode that assumes none."
  value       = module.ingest.cross_account_role_arn
}

output "default_frequency_plan_id" {
  description = "Frequency plan of devices created from AWS whose thing names none."
  value       = local.frequency_plan_id
}

output "devices" {
  description = "What devices with certificates of their own connect to and use, the topic of Amazon SNS for their alerts, and commands to paste (outputs of the module devices). null without devices."
  value = one([for devices in module.devices : {
    alert_topic_arn  = devices.alert_topic_arn
    commands         = devices.commands
    endpoint         = devices.endpoint
    function_arn     = devices.function_arn
    groups           = devices.groups
    policy_name      = devices.policy_name
    provisioning     = devices.provisioning
    telemetry_topics = devices.telemetry_topics
    thing_type_names = devices.thing_type_names
    topics           = devices.topics
  }])
}

output "external_id" {
  description = "External id that The Things Stack shows when it assumes the role; null when none is required."
  value       = module.ingest.external_id
}

output "function_names" {
  description = "Names of the functions. null: devices without devices, provision without devices.provisioning, requeue without end_to_end_encryption, rotations without devices.end_old_certificates, shadow unless shadow.min_interval_seconds is set, sync without registry_sync, telemetry without devices.telemetry, webhook unless ingest.mode is \"webhook\"."
  value = {
    configure = module.configure.function_name
    devices   = one(module.devices[*].function_name)
    directory = module.directory.function_name
    downlink  = module.downlink.function_name
    provision = one(module.devices[*].provision_function_name)
    registry  = module.registry.function_name
    requeue   = one(module.end_to_end_encryption[*].requeue_function_name)
    rotations = one(module.devices[*].rotations_function_name)
    shadow    = module.shadow.function_name
    sync      = module.registry.sync_function_name
    telemetry = one(module.devices[*].telemetry_function_name)
    upstream  = module.upstream.function_name
    waiting   = module.upstream.waiting_function_name
    webhook   = module.ingest.webhook_function_name
  }
}

output "iot_endpoint" {
  description = "Host of AWS IoT Core's message broker in this account and region."
  value       = data.aws_iot_endpoint.this.endpoint_address
}

output "observability" {
  description = "Topic of Amazon SNS that notifies of alarms (null if only actions of your own are carried out), and the dashboard's name and address. null without observability."
  value = var.observability == null ? null : {
    alarm_topic_arn = module.observability.topic_arn
    dashboard       = module.observability.dashboard
  }
}

output "queue_urls" {
  description = "URLs of the queues that functions work on (directory, downlink, registry, requeue, sending, shadow, sync, waiting), and of those that hold what failed. null: those of requeue without end_to_end_encryption, of rotations without devices.end_old_certificates, of shadow unless shadow.min_interval_seconds is set, of sync without registry_sync, of telemetry without devices.telemetry, of records without devices.telemetry.stream."
  value = {
    directory              = module.directory.queue_url
    directory_dead_letters = module.directory.failures.directory_dead_letters.url
    downlink               = module.downlink.queue_urls.downlink
    downlink_dead_letters  = module.downlink.failures.downlink_dead_letters.url
    records_failures       = try(module.devices[0].failures.records_failures.url, null)
    registry               = module.registry.queue_url
    registry_dead_letters  = module.registry.failures.registry_dead_letters.url
    requeue                = one(module.end_to_end_encryption[*].queue_url)
    requeue_dead_letters   = one(module.end_to_end_encryption[*].failures.requeue_dead_letters.url)
    rotations_failures     = try(module.devices[0].failures.rotations_failures.url, null)
    sending                = module.downlink.queue_urls.sending
    sending_dead_letters   = module.downlink.failures.sending_dead_letters.url
    shadow                 = module.shadow.queue_url
    shadow_dead_letters    = try(module.shadow.failures.shadow_dead_letters.url, null)
    sync                   = module.registry.sync_queue_url
    sync_dead_letters      = try(module.registry.failures.sync_dead_letters.url, null)
    telemetry_failures     = try(module.devices[0].failures.telemetry_failures.url, null)
    upstream_failures      = module.upstream.failures.upstream_failures.url
    waiting                = module.upstream.waiting_queue_url
    waiting_dead_letters   = module.upstream.failures.waiting_dead_letters.url
  }
}

output "thing_type_name" {
  description = "Thing type of devices. Known once it exists, unless create_thing_type is false."
  value       = module.integration.thing_type_name
}

output "things_log_group_name" {
  description = "Log group with one stream per thing: the first place to look when a device did not appear."
  value       = module.things_log.name
}

output "topics" {
  description = "Topic filters: those that the stack listens on (inbound), and those that its users subscribe to (public; + is the name of the thing)."
  value = {
    inbound = merge(module.upstream.inbound_topics, module.downlink.inbound_topics)
    public  = merge(module.upstream.public_topics, module.downlink.public_topics)
  }
}

output "webhook_url" {
  description = "URL that The Things Stack posts to; null unless ingest.mode is \"webhook\"."
  value       = module.ingest.webhook_url
}
