# The switch for registry events of things, turned on by one call to the configure function.
# The function and its rights are not made here.

resource "aws_lambda_invocation" "this" {
  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource = "registry_events"
  })
}
