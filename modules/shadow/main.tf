# Named shadows of things: the right to write them. With a minimum interval: the table in which the newest state of each shadow waits,
# the queue that schedules its write, and the function that writes it. Nothing else knows whether shadows are paced.

locals {
  iot_arn          = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"
  paced            = var.settings.min_interval_seconds > 0
  function_timeout = 30

  # Each invocation gets an equal share of the rate. It writes more than twenty shadows a second, if nothing has to be waited for.
  concurrency = min(1000, max(2, ceil(var.limits.shadow_writes_per_second / 20)))

  # Not module.queue[*]: a splat waits for all of the module, and so for the function that works on the queue.
  stores = local.paced ? [module.states[0].use, local.scheduling] : []
  # Messages arrive while an interval is set in a stack that is used: the function that schedules writes waits until the queue exists.
  scheduling = local.paced ? merge(module.queue[0].send, { environment = { SHADOW_QUEUE_URL = module.queue[0].queue.url } }) : null
  # Without the table, the shadow itself shows what a late message may change, and what gives way when it is full.
  actions = local.paced ? ["iot:UpdateThingShadow"] : ["iot:GetThingShadow", "iot:UpdateThingShadow"]
  use = {
    environment = merge({ SHADOW = jsonencode(var.settings) }, local.stores[*].environment...)
    policy_json = data.aws_iam_policy_document.use.json
  }
}

data "aws_iam_policy_document" "use" {
  source_policy_documents = local.stores[*].policy_json

  statement {
    sid       = "KeepShadows"
    actions   = local.actions
    resources = ["${local.iot_arn}:thing/*"]
  }
}

# No backup: the next message of a device brings back what the table lost.
module "states" {
  source = "../table"
  count  = local.paced ? 1 : 0

  name     = "${var.stack.name}-shadow-states"
  hash_key = "thing"
  use      = { sid = "KeepStates", environment_variable = "SHADOW_STATES_TABLE" }
  aws      = var.aws
  tags     = var.tags
}

module "queue" {
  source = "../work_queue"
  count  = local.paced ? 1 : 0

  name                = "${var.stack.name}-shadow"
  function_arn        = module.function[0].arn
  function_timeout    = local.function_timeout
  maximum_concurrency = local.concurrency
  send                = { sid = "ScheduleWrites", environment_variable = "SHADOW_QUEUE_URL" }
  alarms              = var.alarms
  aws                 = var.aws
  tags                = var.tags
}

module "function" {
  source = "../function"
  count  = local.paced ? 1 : 0

  name        = "${var.stack.name}-shadow"
  description = "Shadows: writes the states that are due"
  handler     = "handlers.shadow.handler"
  timeout     = local.function_timeout
  functions   = var.functions
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = {
    IOT_ENDPOINT       = var.iot_endpoint
    SHADOW_WRITES_RATE = tostring(var.limits.shadow_writes_per_second / local.concurrency)
    STACK_NAME         = var.stack.name
  }

  uses = {
    queue      = module.queue[0].work
    shadow     = local.use
    things_log = var.things_log
  }
}
