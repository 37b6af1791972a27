# The Things Stack's side of the integration, kept by one call to the configure function: the key, its rights and the
# cluster are checked, then the application is told where to connect. The role, the secret and the function are not made here.

resource "aws_lambda_invocation" "this" {
  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  # The input is kept in the state: it names the secret and its version, and holds no key.
  input = jsonencode({
    resource                = "integration"
    mode                    = var.mode
    region                  = var.region
    stack_name              = var.stack_name
    role_arn                = var.cross_account_role.arn
    external_id             = var.cross_account_role.external_id
    cluster_address         = var.cluster_address
    identity_server_address = var.identity_server_address
    application_id          = var.application_id
    api_key_secret_arn      = var.api_key_secret.arn
    api_key_version         = var.api_key_secret.version
  })
}
