# What no resource of the AWS provider can do, done by invoking the function configure on create, update and destroy: the thing type,
# registry events, end-to-end encryption and the integration at The Things Stack. Each waits for what it needs, by the values it is given.
# There is no data source in here: this module comes last in an apply, and a data source would be read only then.

locals {
  # What the mode's module of the function reads (thingbridge.flows.ingest.<mode>).
  settings = {
    manual = {}
    mqtt   = var.ingest.mqtt
    package = var.ingest.package == null ? null : {
      data_fields = var.ingest.package.data_fields
      external_id = try(var.ingest.cross_account_role.external_id, null)
      f_port      = var.ingest.package.f_port
      role_arn    = try(var.ingest.cross_account_role.arn, null)
    }
    pubsub = {
      external_id = try(var.ingest.cross_account_role.external_id, null)
      role_arn    = try(var.ingest.cross_account_role.arn, null)
    }
    webhook = var.ingest.webhook
  }

  # The inputs are kept in the state: they name secrets and their versions, and hold none.
  application = {
    stack_name              = var.stack.name
    cluster_address         = var.things_stack.cluster_address
    identity_server_address = var.things_stack.identity_server_address
    application_id          = var.things_stack.application_id
    api_key_secret_arn      = var.things_stack.api_key.secret_arn
    api_key_version         = var.things_stack.api_key.version
  }
}

resource "aws_lambda_invocation" "thing_type" {
  count = var.thing_type == null ? 0 : 1

  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource              = "thing_type"
    thing_type_name       = var.stack.thing_type_name
    description           = var.thing_type.description
    searchable_attributes = var.thing_type.searchable_attributes
  })
}

# An event that comes before its queue is ready would be lost.
resource "aws_lambda_invocation" "registry_events" {
  count = var.registry_events == null ? 0 : 1

  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource = "registry_events"
  })

  depends_on = [var.registry_events]
}

resource "aws_lambda_invocation" "end_to_end_encryption" {
  count = var.end_to_end_encryption == null ? 0 : 1

  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  input = jsonencode(merge(local.application, {
    resource                      = "end_to_end_encryption"
    key_encryption_key_secret_arn = var.end_to_end_encryption.secret_arn
    key_encryption_key_version    = var.end_to_end_encryption.version
  }))
}

resource "aws_lambda_invocation" "this" {
  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  input = jsonencode(merge(local.application, {
    resource   = "integration"
    mode       = var.ingest.mode
    settings   = local.settings[var.ingest.mode]
    account_id = var.aws.account_id
    region     = var.aws.region
  }))

  # Another mode is another integration: the new one is created, then the old one is removed, and only then what the old one
  # needed (role, policy or URL) is destroyed.
  triggers = { mode = var.ingest.mode }

  lifecycle {
    create_before_destroy = true
  }

  # Created last and destroyed first: The Things Stack connects as soon as it is configured, and no message may be lost.
  depends_on = [
    var.ready,
    aws_lambda_invocation.end_to_end_encryption,
    aws_lambda_invocation.registry_events,
    aws_lambda_invocation.thing_type,
  ]
}
