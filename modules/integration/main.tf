# What no resource of the AWS provider can do, done by invoking the function configure on create, update and destroy: the thing type,
# registry events, end-to-end encryption and the integration at The Things Stack. Each waits for what it needs, by the values it is given.
# There is no data source in here: this module comes last in an apply, and a data source would be read only then. What comes first is in
# check.tf.

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
    webhook            = var.ingest.webhook
    "webhook/iot_core" = var.ingest.iot_core
  }

  application = {
    application_id          = var.things_stack.application_id
    cluster_address         = var.things_stack.cluster_address
    identity_server_address = var.things_stack.identity_server_address
    api_key_secret_arn      = var.things_stack.api_key.secret_arn
    api_key_version         = var.things_stack.api_key.version
  }

  parts = var.end_to_end_encryption == null ? ["integration"] : ["end_to_end_encryption", "integration"]

  # What the function reads (thingbridge.flows.configuration): it names secrets and their versions, and holds none.
  wanted = {
    end_to_end_encryption = var.end_to_end_encryption == null ? null : jsonencode(merge(local.application, {
      key_encryption_key_secret_arn = var.end_to_end_encryption.secret_arn
      key_encryption_key_version    = var.end_to_end_encryption.version
    }))
    integration = jsonencode(merge(local.application, {
      stack_name = var.stack.name
      account_id = var.aws.account_id
      region     = var.aws.region
      mode       = var.ingest.mode
      settings   = local.settings[var.ingest.mode]
    }))
  }

  # Each plan compares what is wanted with what the function has recorded. The state would not do: the provider stores a failed update of
  # an invocation as done (hashicorp/terraform-provider-aws 43447). Unless the record names this configuration as completed, the time of
  # the plan makes an input that no state holds; and once it does, the record returns the input with which that was done.
  recorded = { for part in local.parts : part => try(jsondecode(aws_ssm_parameter.record[part].insecure_value), {}) }
  inputs = {
    for part in local.parts : part => jsonencode({
      resource      = part
      configuration = sha256(local.wanted[part])
      attempt       = try(local.recorded[part].configuration == sha256(local.wanted[part]), false) ? tostring(local.recorded[part].attempt) : plantimestamp()
    })
  }
}

# The caller of the function decides nothing: what is wanted is here, where only Terraform writes.
resource "aws_ssm_parameter" "wanted" {
  # checkov:skip=CKV2_AWS_34: holds names, addresses and ARNs; secrets are in Secrets Manager

  for_each = toset(local.parts)

  name           = "${var.parameter_path}/wanted/${each.key}"
  description    = "What The Things Stack is to be configured with by the stack ${var.stack.name}"
  type           = "String"
  tier           = try(length(var.ingest.mqtt.ca_certificate), 0) > 1500 ? "Advanced" : "Standard" # 4 KB are Standard's limit
  insecure_value = local.wanted[each.key]
  tags           = var.tags

  # Unchanged while the check fails: the next plan then finds that this was not done.
  depends_on = [aws_lambda_invocation.check]
}

# What The Things Stack was configured with, written by the function.
resource "aws_ssm_parameter" "record" {
  # checkov:skip=CKV2_AWS_34: holds names, addresses and ARNs; secrets are in Secrets Manager

  for_each = toset(local.parts)

  name           = "${var.parameter_path}/record/${each.key}"
  description    = "What The Things Stack was configured with by the stack ${var.stack.name}"
  type           = "String"
  insecure_value = "{}"
  tags           = var.tags

  lifecycle {
    ignore_changes = [insecure_value]
  }
}

# Neither of the first two is undone on destroy, so a failed change must not be stored: another input is another invocation.
resource "aws_lambda_invocation" "thing_type" {
  count = var.thing_type == null ? 0 : 1

  function_name = var.configure_function_name

  input = jsonencode({
    resource              = "thing_type"
    thing_type_name       = var.stack.thing_type_name
    description           = var.thing_type.description
    searchable_attributes = var.thing_type.searchable_attributes
  })

  depends_on = [aws_lambda_invocation.check]
}

# An event that comes before its queue is ready would be lost.
resource "aws_lambda_invocation" "registry_events" {
  count = var.registry_events == null ? 0 : 1

  function_name = var.configure_function_name

  input = jsonencode({
    resource = "registry_events"
  })

  depends_on = [var.registry_events]
}

resource "aws_lambda_invocation" "end_to_end_encryption" {
  count = var.end_to_end_encryption == null ? 0 : 1

  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"
  input           = local.inputs["end_to_end_encryption"]

  depends_on = [
    var.secrets_ready,
    aws_lambda_invocation.check,
    aws_ssm_parameter.wanted,
  ]
}

# Another mode is configured by the same update, which removes the old one. What the old one needed is destroyed after it: see
# create_before_destroy in the module ingest.
resource "aws_lambda_invocation" "this" {
  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"
  input           = local.inputs["integration"]

  # Created last and destroyed first: The Things Stack connects as soon as it is configured, and no message may be lost.
  depends_on = [
    var.ready,
    var.secrets_ready,
    aws_lambda_invocation.check,
    aws_lambda_invocation.end_to_end_encryption,
    aws_lambda_invocation.registry_events,
    aws_lambda_invocation.thing_type,
    aws_ssm_parameter.wanted,
  ]
}
