# Downlinks for The Things Stack: the rules that read requests and desired states, the function that checks them and puts them into the
# device's queue, and its rights.

locals {
  iot_arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"

  request_topics = {
    downlink         = "lorawan/downlink"
    downlink_push    = "lorawan/+/downlink/push"
    downlink_replace = "lorawan/+/downlink/replace"
  }

  # The time of receipt distinguishes two equal requests, and a repeated invocation from a first one.
  select = "topic() AS topic, encode(*, 'base64') AS payload, timestamp() AS receivedAt"
}

module "function" {
  source = "../function"

  name        = "${var.stack.name}-downlink"
  description = "Downlink requests: checks them and puts them into the device's queue at The Things Stack"
  handler     = "handlers.downlink.handler"
  timeout     = 30
  functions   = var.functions
  layer_arns  = var.end_to_end_encryption == null ? [] : var.end_to_end_encryption.layer_arns
  policy_json = data.aws_iam_policy_document.rights.json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  # A command that is an hour old is better repeated by its sender than carried out.
  asynchronous_invocation = { maximum_event_age_in_seconds = 3600 }

  environment = merge(
    { STACK_NAME = var.stack.name },
    var.delta_f_port == null ? {} : { DELTA_F_PORT = tostring(var.delta_f_port) },
  )

  uses = {
    end_to_end_encryption = var.end_to_end_encryption == null ? null : var.end_to_end_encryption.use
    things_log            = var.things_log
    things_stack          = var.things_stack.use
  }
}

module "request_rules" {
  source   = "../topic_rule"
  for_each = local.request_topics

  name         = "${var.stack.name}-${each.key}"
  description  = "Downlink requests on ${each.value}"
  topic_filter = each.value
  select       = local.select
  action       = { function = { arn = module.function.arn } }
  error_queue  = module.function.failure_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

# All stacks of the account have this shadow, and a message names only its thing: the function looks up the stack that the thing belongs to.
module "delta_rule" {
  source = "../topic_rule"
  count  = var.delta_f_port == null ? 0 : 1

  name         = "${var.stack.name}-shadow_delta"
  description  = "Desired states of shadows that differ from the reported ones"
  topic_filter = "$aws/things/+/shadow/name/lorawan/update/delta"
  select       = local.select
  where        = "NOT isUndefined(state.decodedPayload)"
  action       = { function = { arn = module.function.arn } }
  error_queue  = module.function.failure_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

data "aws_iam_policy_document" "rights" {
  statement {
    sid       = "ReadThings"
    actions   = ["iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  dynamic "statement" {
    for_each = var.delta_f_port == null ? [] : ["${local.iot_arn}:thing/*"]

    content {
      sid       = "FollowDesiredStates"
      actions   = ["iot:GetThingShadow", "iot:UpdateThingShadow"]
      resources = [statement.value]
    }
  }

  # ListTopicRules has no resource level in IAM.
  statement {
    sid       = "FindStacks"
    actions   = ["iot:ListTopicRules"]
    resources = ["*"]
  }

  # A shadow that all stacks of the account share: which of them answers a request for a thing of none.
  statement {
    sid       = "ElectAnsweringStack"
    actions   = ["iot:GetThingShadow", "iot:UpdateThingShadow"]
    resources = ["${local.iot_arn}:thing/thingbridge-stacks", "${local.iot_arn}:thing/thingbridge-stacks/downlink-rejections"]
  }

  statement {
    sid       = "RejectRequests"
    actions   = ["iot:Publish"]
    resources = ["${local.iot_arn}:topic/lorawan/*/downlink/rejected", "${local.iot_arn}:topic/lorawan/downlink/rejected"]
  }
}
