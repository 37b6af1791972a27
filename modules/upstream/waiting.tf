# Messages whose thing can't be found or created now, because AWS limits the rate: the FIFO queue that keeps those of a device in order, the
# table of devices with messages in it, and the function that handles them at a rate that AWS permits. The other messages are not slowed.

locals {
  waiting_timeout = 300

  # Each invocation gets an equal share of the rates. As long as messages of a device wait, so do its next ones: with many new devices, nearly
  # all messages of the fleet pass here, about 30 a second in each invocation (docs/fleet-size.md). But the ten searches that a batch may take
  # must fit into 80 % of the timeout.
  waiting_concurrency = max(2, min(1000, ceil(var.limits.create_thing_per_second * 1.25), floor(local.waiting_searches_per_second * local.waiting_timeout * 0.8 / 10)))

  # The other half is for the comparison, and for look-ups before a device is deleted.
  waiting_searches_per_second = var.limits.list_things_per_second / 2
}

module "waiting" {
  source = "../function"

  name        = "${var.stack.name}-waiting"
  description = "Messages of devices that wait for their thing: creates it, and handles them as ${var.stack.name}-upstream does"
  handler     = "handlers.waiting.handler"
  timeout     = local.waiting_timeout
  functions   = var.functions
  layer_arns  = local.layer_arns
  policy_json = data.aws_iam_policy_document.rights.json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = merge(local.environment, {
    CREATE_THING_RATE        = tostring(var.limits.create_thing_per_second / local.waiting_concurrency)
    LIST_THINGS_RATE         = tostring(local.waiting_searches_per_second / local.waiting_concurrency)
    WAITING_DEAD_LETTERS_URL = module.waiting_queue.dead_letter_queue.url
  })

  uses = merge(local.uses, {
    dead_letters    = module.waiting_queue.give_up
    waiting_devices = module.waiting_devices.deletion
    waiting_queue   = module.waiting_queue.work
  })
}

# A message that AWS throttles is received again and again, for as long as the queue keeps it: the function itself moves what fails for another
# reason to the dead letters.
module "waiting_queue" {
  source = "../work_queue"

  name                  = "${var.stack.name}-waiting"
  fifo                  = true
  high_throughput       = true
  function_arn          = module.waiting.arn
  function_timeout      = local.waiting_timeout
  batch_size            = 5 # each may wait a minute for its share of the rates
  maximum_concurrency   = local.waiting_concurrency
  maximum_receive_count = 1000
  longest_wait_seconds  = 21600 # in a rush, messages wait for hours
  send                  = { sid = "HaveMessagesWait", environment_variable = "WAITING_QUEUE_URL" }
  give_up               = { sid = "GiveUpMessages" }
  alarms                = var.alarms
  aws                   = var.aws
  tags                  = var.tags
}

# No backup: what waits is in the queue. Without an item, a later message may overtake one that waits.
module "waiting_devices" {
  source = "../table"

  name     = "${var.stack.name}-waiting"
  hash_key = "device"
  use      = { sid = "KnowWhoWaits", environment_variable = "WAITING_TABLE" }
  deletion = { sid = "ForgetWhoWaited", reads = true }
  aws      = var.aws
  tags     = var.tags
}
