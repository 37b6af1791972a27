# The thing type, kept by one call to the configure function. The function and its rights are not made here.

resource "aws_lambda_invocation" "this" {
  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource              = "thing_type"
    thing_type_name       = var.name
    description           = var.description
    searchable_attributes = var.searchable_attributes
  })
}
