# Downlinks for The Things Stack: the rules that read requests and desired states, the table in which they wait, the queues that bring them
# to the function in order, the function that checks them and puts them into the device's queue, and its rights.

locals {
  iot_arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"

  # A batch of ten pushes, each of which is waited for; at one request a minute, the next one is due after 150 seconds.
  function_timeout = 300

  # 6.6 hours, with pauses of 5, 30 and then 120 seconds: longer than the greatest age of a request.
  maximum_receive_count = 200

  request_topics = {
    downlink         = "lorawan/downlink"
    downlink_push    = "lorawan/+/downlink/push"
    downlink_replace = "lorawan/+/downlink/replace"
  }

  # The time of receipt orders the requests of a thing, and distinguishes two equal ones.
  select = "topic() AS topic, encode(*, 'base64') AS payload, timestamp() AS receivedAt"

  # The keys of a row. With encode(*) a rule reads no field of a payload that may not be JSON, so the function finds the thing that a
  # request on the account-wide topic names, and moves the row.
  keys = {
    downlink         = "topic() AS thing, newuuid() AS id"
    downlink_push    = "topic(2) AS thing, newuuid() AS id"
    downlink_replace = "topic(2) AS thing, newuuid() AS id"
  }
}

module "request_rules" {
  source   = "../topic_rule"
  for_each = local.request_topics

  name         = "${var.stack.name}-${each.key}"
  description  = "Downlink requests on ${each.value}"
  topic_filter = each.value
  select       = "${local.keys[each.key]}, ${local.select}"
  action       = { table = { arn = module.waiting.arn, name = module.waiting.name } }
  error_queue  = module.queue.queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

# All stacks of the account have this shadow, and a message names only its thing: the function looks up the stack that the thing belongs to.
# Most deltas repeat an old difference. So they are queued, and the function writes a row for the few that follow a change.
module "delta_rule" {
  source = "../topic_rule"
  count  = var.delta_f_port == null ? 0 : 1

  name         = "${var.stack.name}-shadow_delta"
  description  = "Desired states of shadows that differ from the reported ones"
  topic_filter = "$aws/things/+/shadow/name/lorawan/update/delta"
  select       = local.select
  where        = "NOT isUndefined(state.decodedPayload)"
  action       = { queue = module.queue.queue }
  error_queue  = module.queue.dead_letter_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

# Downlinks that wait, one row each. No backup: a row lives for a second.
module "waiting" {
  source = "../table"

  name      = "${var.stack.name}-downlinks"
  hash_key  = "thing"
  range_key = "id"
  stream    = { sid = "FollowWaitingDownlinks" }
  deletion  = { sid = "DeleteHandledDownlinks" }
  use       = { sid = "KeepWaitingDownlinks", environment_variable = "DOWNLINKS_TABLE", lists_partitions = true }
  aws       = var.aws
  tags      = var.tags
}

# A ticket for each new row. A batch that fails is tried again until its records expire, after a day.
resource "aws_lambda_event_source_mapping" "stream" {
  event_source_arn  = module.waiting.stream.arn
  function_name     = module.function.arn
  starting_position = "TRIM_HORIZON"
  batch_size        = 100

  filter_criteria {
    filter {
      pattern = jsonencode({ eventName = ["INSERT"] })
    }
  }

  tags = var.tags

  # What the function reads it sends on.
  depends_on = [module.sending.queue]
}

# Deltas, and requests that a rule could not write into the table.
module "queue" {
  source = "../work_queue"

  name                  = "${var.stack.name}-downlink"
  function_arn          = module.function.arn
  function_timeout      = local.function_timeout
  maximum_concurrency   = 5
  maximum_receive_count = local.maximum_receive_count
  alarms                = var.alarms
  aws                   = var.aws
  tags                  = var.tags
}

# Tickets. The message group is the thing: its downlinks are sent by one invocation at a time, and those of other things by others.
module "sending" {
  source = "../work_queue"

  name                  = "${var.stack.name}-sending"
  fifo                  = true
  function_arn          = module.function.arn
  function_timeout      = local.function_timeout
  maximum_concurrency   = var.settings.concurrency
  maximum_receive_count = local.maximum_receive_count
  longest_wait_seconds  = floor(var.settings.maximum_age_seconds / 2) # while there is time to act before requests are rejected
  send                  = { sid = "SendTickets", environment_variable = "SENDING_QUEUE_URL" }
  alarms                = var.alarms
  aws                   = var.aws
  tags                  = var.tags
}

module "function" {
  source = "../function"

  name        = "${var.stack.name}-downlink"
  description = "Downlink requests: orders and checks them, and puts them into the device's queue at The Things Stack"
  handler     = "handlers.downlink.handler"
  timeout     = local.function_timeout
  functions   = var.functions
  layer_arns  = var.end_to_end_encryption == null ? [] : var.end_to_end_encryption.layer_arns
  policy_json = data.aws_iam_policy_document.rights.json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  # It waits for the pace, if need be for nearly all of its time.
  long_running = true

  environment = merge(
    { STACK_NAME = var.stack.name, DOWNLINK = jsonencode(var.settings), IOT_ENDPOINT = var.iot_endpoint },
    var.delta_f_port == null ? {} : { DELTA_F_PORT = tostring(var.delta_f_port) },
  )

  uses = {
    end_to_end_encryption = var.end_to_end_encryption == null ? null : var.end_to_end_encryption.use
    handled               = module.waiting.deletion
    queue                 = module.queue.work
    sending               = module.sending.work
    stream                = module.waiting.stream.use
    things_log            = var.things_log
    things_stack          = var.things_stack.use
    tickets               = module.sending.send
    waiting               = module.waiting.use
  }
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
