# What devices, their users and the command line need to know.

output "commands" {
  description = "Commands to paste: register a device, show its state, publish a reading in its name, and read the log of registrations."
  value = {
    create  = "thingbridge devices create NAME --stack ${var.stack.name} --type ${keys(var.types)[0]} --directory NAME"
    state   = "thingbridge devices state get NAME --stack ${var.stack.name}"
    publish = "aws iot-data publish --region ${var.aws.region} --topic ${var.stack.name}/sensor/${keys(var.types)[0]}/NAME --cli-binary-format raw-in-base64-out --payload '{\"temperature\": 21.5}'"
    log     = "aws logs tail ${module.function.log_group_name} --region ${var.aws.region} --follow"
  }
}

output "endpoint" {
  description = "Host that devices connect to: MQTT with a client certificate on port 8883."
  value       = var.iot_endpoint
}

output "failures" {
  description = "Queues that hold what failed: name => ARN, URL, and where messages are replayed to."
  value       = merge(local.telemetry_failures, local.rotations_failures)
}

output "function_arn" {
  description = "ARN of the function that registers a device: grant lambda:InvokeFunction on it to a backend that may."
  value       = module.function.arn
}

output "function_name" {
  description = "Name of the function that registers a device."
  value       = module.function.name

  # Lambda takes 4 KB of environment variables.
  precondition {
    condition     = length(jsonencode(local.configuration)) <= 3800
    error_message = "types, locations and ca_certificate must together take at most 3800 characters of JSON, as they are settings of a function; got ${length(jsonencode(local.configuration))}."
  }
}

output "groups" {
  description = "Static thing groups: of all devices, by type and by location."
  value = {
    all         = aws_iot_thing_group.devices.name
    by_location = local.configuration.locations
    by_type     = { for type, group in aws_iot_thing_group.type : type => group.name }
  }
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "devices"
    purpose = "devices with certificates of their own"
    parts   = local.observed_parts
    alarms  = [for alarm in values(aws_cloudwatch_metric_alarm.this) : alarm.alarm_name]
    graphs  = local.graphs
  }
}

output "policy_name" {
  description = "Name of the policy that every certificate of a device carries."
  value       = aws_iot_policy.this.name
}

output "thing_type_names" {
  description = "Type of devices => name of its thing type."
  value       = { for type, resource in aws_iot_thing_type.this : type => resource.name }
}

output "topics" {
  description = "Topic filters of devices: the last + is the name of the thing, the one before it in telemetry the type."
  value       = local.topics
}
