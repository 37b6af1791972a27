# What invokes the function, and what adds to its rights.

output "failures" {
  description = "Queues that hold what failed: none, as Terraform invokes the function and shows its error."
  value       = {}
}

output "function_name" {
  description = "Name of the function. Known once it can be invoked."
  value       = module.function.name
}

output "role_name" {
  description = "Name of the function's role."
  value       = module.function.role_name
}
