# Names of what ends the old certificates of rotated devices. All of them are null without end_old_certificates, or empty.

output "rotations_function_name" {
  description = "Name of the function that ends the old certificates of rotated devices; null without end_old_certificates."
  value       = one(module.rotations_function[*].name)

  # Lambda takes 4 KB of environment variables.
  precondition {
    condition     = !local.ends_old_certificates || length(local.admission) <= 3300
    error_message = "types and locations must together take at most 3300 characters of JSON with end_old_certificates, as they are settings of a function; got ${length(local.admission)}."
  }
}

output "rotations_ready" {
  description = "Known once old certificates end by themselves. Empty without end_old_certificates."
  value       = concat(module.rotations_rule[*].arn, module.rotations_schedule[*].arn)
}
