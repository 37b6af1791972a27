# What invokes the function, and what adds to its rights.

output "failures" {
  description = "Queues that hold what failed: none, as Terraform invokes the function and shows its error."
  value       = {}
}

output "function_name" {
  description = "Name of the function. Known once it can be invoked."
  value       = module.function.name
}

output "parameter_path" {
  description = "Path of the parameters in which the function finds what is wanted, and keeps the record of what it did."
  value       = local.parameter_path
}

output "role_name" {
  description = "Name of the function's role."
  value       = module.function.role_name
}
