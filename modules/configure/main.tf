# The function that does what no resource of the AWS provider can, and its rights. It is invoked by the module integration.

locals {
  parameter_path = "/thethings/lorawan/${var.stack.name}/configure"
  parameter_arn  = "arn:${var.aws.partition}:ssm:${var.aws.region}:${var.aws.account_id}:parameter${local.parameter_path}"

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
  layer_arns  = aws_lambda_layer_version.cryptography[*].arn
  uses        = var.uses
  aws         = var.aws
  tags        = var.tags

  environment = {
    PARAMETER_PATH = local.parameter_path
    STACK_NAME     = var.stack.name
  }
}

resource "aws_lambda_layer_version" "cryptography" {
  count = var.layer == null ? 0 : 1

  layer_name               = "${var.stack.name}-signing"
  description              = "RSA, to sign the token of The Things Stack"
  filename                 = var.layer.filename
  source_code_hash         = var.layer.source_code_hash
  compatible_architectures = [var.functions.architecture]
  compatible_runtimes      = [var.functions.runtime]
}

# What one mode of ingest needs is attached by the module ingest, which outlives the removal of that mode.
data "aws_iam_policy_document" "rights" {
  statement {
    sid       = "ReadConfiguration"
    actions   = ["ssm:GetParameter"]
    resources = ["${local.parameter_arn}/record/*", "${local.parameter_arn}/wanted/*"]
  }

  statement {
    sid       = "RecordConfiguration"
    actions   = ["ssm:PutParameter"]
    resources = ["${local.parameter_arn}/record/*"]
  }

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
