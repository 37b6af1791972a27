# The receiver "iot_core": The Things Stack posts to AWS IoT Core itself, admitted by a custom authorizer. Here are the function that says
# what whoever shows a token may do, and the rights of configure, which creates the authorizer: its keys come and go while The Things Stack
# is being configured, and Terraform would not keep that order.

locals {
  authorizer_name = "${var.stack.name}-webhook"
  authorizer_arn  = "${local.iot_arn}:authorizer/${local.authorizer_name}"
  iot_core_url    = coalesce(var.webhook.url, "https://${var.iot_endpoint}")
}

# A policy of AWS IoT, of at most 2,048 characters. Nothing but publishing: a token can't open an MQTT connection.
data "aws_iam_policy_document" "authorizer" {
  count = local.by_iot_core ? 1 : 0

  statement {
    sid       = "PublishMessages"
    actions   = ["iot:Publish"]
    resources = local.topic_arns
  }
}

module "authorizer" {
  source = "../function"
  count  = local.by_iot_core ? 1 : 0

  name        = "${var.stack.name}-authorizer"
  description = "Invoked by AWS IoT for a connection of The Things Stack, once its token is checked: says what it may do"
  handler     = "handlers.authorizer.handler"
  timeout     = 4 # The Things Stack waits five seconds
  functions   = var.functions
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = {
    AUTHORIZER_POLICY = data.aws_iam_policy_document.authorizer[0].json
    STACK_NAME        = var.stack.name
  }
}

resource "aws_lambda_permission" "authorizer" {
  count = local.by_iot_core ? 1 : 0

  statement_id   = "authorizer"
  action         = "lambda:InvokeFunction"
  function_name  = module.authorizer[0].name
  principal      = "iot.amazonaws.com"
  source_account = var.aws.account_id
  source_arn     = local.authorizer_arn

  # When the mode changes, destroyed only once The Things Stack is configured with the new one, and with it the function.
  lifecycle {
    create_before_destroy = true
  }
}

data "aws_iam_policy_document" "configure_iot_core" {
  count = local.by_iot_core ? 1 : 0

  statement {
    sid       = "KeepAuthorizer"
    actions   = ["iot:CreateAuthorizer", "iot:DeleteAuthorizer", "iot:DescribeAuthorizer", "iot:TestInvokeAuthorizer", "iot:UpdateAuthorizer"]
    resources = [local.authorizer_arn]
  }
}

# A policy of its own: on destroy, and when the mode changes, it stays until the authorizer is deleted.
resource "aws_iam_role_policy" "configure_iot_core" {
  count = local.by_iot_core ? 1 : 0

  name   = "iot-core"
  role   = var.configure_role_name
  policy = data.aws_iam_policy_document.configure_iot_core[0].json

  lifecycle {
    create_before_destroy = true
  }
}
