# The function that does what no resource of the AWS provider can, and its rights. It is invoked by the module integration.

locals {
  iot_arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"
}

module "function" {
  source = "../function"

  name        = "${var.stack.name}-configure"
  description = "Invoked by Terraform: thing type, registry events, and the integration at The Things Stack"
  handler     = "handlers.configure.handler"
  timeout     = 60
  functions   = var.functions
  policy_json = data.aws_iam_policy_document.rights.json
  uses        = var.uses
  aws         = var.aws
  tags        = var.tags
}

# What one mode of ingest needs is attached by the module ingest, which outlives the removal of that mode.
data "aws_iam_policy_document" "rights" {
  dynamic "statement" {
    for_each = var.create_thing_type ? [var.stack.thing_type_name] : []

    content {
      sid       = "CreateThingType"
      actions   = ["iot:CreateThingType", "iot:DescribeThingType"]
      resources = ["${local.iot_arn}:thingtype/${statement.value}"]
    }
  }

  # Event configurations have no resource level in IAM.
  dynamic "statement" {
    for_each = var.enable_registry_events ? ["*"] : []

    content {
      sid       = "SwitchOnRegistryEvents"
      actions   = ["iot:DescribeEventConfigurations", "iot:UpdateEventConfigurations"]
      resources = [statement.value]
    }
  }
}
