# Messages of The Things Stack, for things and their users: the rule that reads them, the function that creates things, keeps shadows
# and publishes, and its rights. What there is between both: batched.tf; how uplinks do without the function: rules.tf; messages that wait for
# their thing: waiting.tf.

locals {
  iot_arn    = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"
  layer_arns = var.end_to_end_encryption == null ? [] : var.end_to_end_encryption.layer_arns

  # Of both functions that handle messages.
  environment = {
    IOT_ENDPOINT      = var.iot_endpoint
    STACK_NAME        = var.stack.name
    THING_NAME_SCHEME = var.stack.thing_name_scheme
    THING_TYPE_NAME   = var.stack.thing_type_name
  }
  uses = {
    directory             = var.directory
    end_to_end_encryption = var.end_to_end_encryption == null ? null : var.end_to_end_encryption.use
    shadow                = var.shadow
    things_log            = var.things_log
  }
}

module "function" {
  source = "../function"

  name                    = "${var.stack.name}-upstream"
  description             = "Messages of The Things Stack: finds or creates the thing, writes its shadow, publishes on lorawan/<thing>/..."
  handler                 = "handlers.upstream.handler"
  timeout                 = local.batched ? local.batch_timeout : 15
  asynchronous_invocation = {} # in every mode: a change of the mode must not delete the messages that failed
  functions               = var.functions
  environment             = merge(local.environment, local.batched ? module.queue[0].work.environment : {})
  layer_arns              = local.layer_arns
  policy_json             = data.aws_iam_policy_document.rights.json
  alarms                  = var.alarms
  aws                     = var.aws
  tags                    = var.tags

  uses = merge(local.uses, {
    waiting_devices = module.waiting_devices.use
    waiting_queue   = module.waiting_queue.send
  })
}

module "rule" {
  source = "../topic_rule"

  name         = "${var.stack.name}-upstream"
  description  = "Every message that The Things Stack publishes for the stack ${var.stack.name}"
  topic_filter = "${var.base_topic}/#"
  select       = local.by_rules ? "*" : null
  action = {
    function  = var.mode == "function" ? { arn = module.function.arn } : null
    queue     = local.queue
    republish = local.republish
  }
  error_queue = module.function.failure_queue # in every mode: what the rule can't pass on while the mode changes is kept there
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags
}

data "aws_iam_policy_document" "rights" {
  # ListThings has no resource level in IAM.
  statement {
    sid       = "FindThings"
    actions   = ["iot:ListThings"]
    resources = ["*"]
  }

  statement {
    sid       = "CreateThings"
    actions   = ["iot:CreateThing", "iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  # A device that was registered without a DevEUI keeps its thing, which gains the DevEUI.
  statement {
    sid       = "AddIdentifiers"
    actions   = ["iot:UpdateThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid       = "PublishMessages"
    actions   = ["iot:Publish"]
    resources = ["${local.iot_arn}:topic/lorawan/*"]
  }
}
