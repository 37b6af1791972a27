# The Things Stack's side of the integration, kept by one call to the configure function: the key, its rights and the
# cluster are checked, then the application is told where to deliver. Nothing that it refers to is made here.

locals {
  # What the mode's module of the function reads (thingbridge.things_stack.ingest.<mode>).
  settings = {
    manual = {}
    mqtt   = var.mqtt
    package = var.package == null ? null : {
      data_fields = var.package.data_fields
      external_id = try(var.cross_account_role.external_id, null)
      f_port      = var.package.f_port
      role_arn    = try(var.cross_account_role.arn, null)
    }
    pubsub = {
      external_id = try(var.cross_account_role.external_id, null)
      role_arn    = try(var.cross_account_role.arn, null)
    }
    webhook = var.webhook
  }
}

resource "aws_lambda_invocation" "this" {
  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  # The input is kept in the state: it names secrets and their versions, and holds none.
  input = jsonencode({
    resource                = "integration"
    mode                    = var.mode
    settings                = local.settings[var.mode]
    account_id              = var.aws.account_id
    region                  = var.aws.region
    stack_name              = var.stack_name
    cluster_address         = var.cluster_address
    identity_server_address = var.identity_server_address
    application_id          = var.application_id
    api_key_secret_arn      = var.api_key_secret.arn
    api_key_version         = var.api_key_secret.version
  })

  # Another mode is another integration: the new one is made, then the old one is removed, and only then what the old one
  # needed (role, policy or URL) goes.
  triggers = { mode = var.mode }

  lifecycle {
    create_before_destroy = true
  }
}
