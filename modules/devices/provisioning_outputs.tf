# Names of what provisions devices that register themselves. All of them are null without provisioning.

output "provision_function_name" {
  description = "Name of the function that admits devices which provision themselves; null without provisioning."
  value       = one(module.provision_function[*].name)

  # Lambda takes 4 KB of environment variables.
  precondition {
    condition     = !local.provisions || length(local.admission) <= 3300
    error_message = "types and locations must together take at most 3300 characters of JSON with provisioning, as they are settings of a function; got ${length(local.admission)}."
  }
}

output "provisioning" {
  description = "How devices provision themselves: client ids and policy of claim certificates, template, table of the allowed devices, and the templates of certificates of your own authority by name. null without provisioning."
  value = local.provisions ? {
    allowed_devices_table  = module.allowed_devices[0].name
    claim_client_ids       = local.claim_client_ids
    claim_policy_name      = aws_iot_policy.claim[0].name
    just_in_time_templates = { for name, template in aws_iot_provisioning_template.just_in_time : name => template.name }
    template_name          = aws_iot_provisioning_template.claim[0].name
  } : null
}
