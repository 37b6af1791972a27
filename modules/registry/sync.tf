# Both registries, compared on a schedule: the schedule, the FIFO queue that it sends to, the function that compares, and its rights.
# What is not in step is sent to the queue of main.tf.

locals {
  sync_timeout = 900 # the longest Lambda permits; a run that needs longer continues in another invocation
}

module "sync" {
  source = "../function"
  count  = var.sync.enabled ? 1 : 0

  name         = "${var.stack.name}-sync"
  description  = "Compares things and end devices, and hands what is not in step to ${var.stack.name}-registry"
  handler      = "handlers.sync.handler"
  timeout      = local.sync_timeout
  long_running = true

  # A run that needs longer than an invocation has.
  starts_itself = true

  functions   = var.functions
  policy_json = data.aws_iam_policy_document.sync[0].json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = merge(
    {
      LIST_THINGS_RATE  = tostring(var.limits.list_things_per_second)
      ON_THING_DELETED  = var.on_thing_deleted
      STACK_NAME        = var.stack.name
      SYNC_MODE         = var.sync.mode
      THING_NAME_SCHEME = var.stack.thing_name_scheme
      THING_TYPE_NAME   = var.stack.thing_type_name
    },
    var.releases_url == null ? {} : { RELEASES_URL = var.releases_url },
    var.silence == null ? {} : { SILENT_AFTER_SECONDS = tostring(60 * var.silence.minutes) },
  )

  uses = {
    directory      = var.directory.upkeep
    registry_queue = module.queue.send
    sync_queue     = module.sync_queue[0].work
    sync_runs      = module.sync_queue[0].send
    things_log     = var.things_log
    things_stack   = var.things_stack.use
  }
}

# A single message group: SQS delivers no second message of a group while one is being handled, so two runs never overlap.
module "sync_queue" {
  source = "../work_queue"
  count  = var.sync.enabled ? 1 : 0

  name                      = "${var.stack.name}-sync"
  fifo                      = true
  function_arn              = module.sync[0].arn
  function_timeout          = local.sync_timeout
  batch_size                = 1
  maximum_receive_count     = 4     # after 5, 30 and 120 seconds; the next tick starts another run
  message_retention_seconds = 86400 # a run that has not started within a day is obsolete
  send                      = { sid = "StartRuns", environment_variable = "SYNC_QUEUE_URL" }
  alarms                    = var.alarms
  aws                       = var.aws
  tags                      = var.tags
}

module "sync_schedule" {
  source = "../schedule"
  count  = var.sync.enabled ? 1 : 0

  name        = "${var.stack.name}-sync"
  description = "Starts the comparison of things and end devices"
  expression  = var.sync.schedule
  input       = "{\"start\": \"<aws.scheduler.scheduled-time>\"}" # not jsonencode, which writes the angle brackets as \u003c
  aws         = var.aws
  tags        = var.tags

  target = {
    arn              = module.sync_queue[0].queue.arn
    message_group_id = "sync"
    use              = module.sync_queue[0].send
  }
}

data "aws_iam_policy_document" "sync" {
  count = var.sync.enabled ? 1 : 0

  # ListThings has no resource level in IAM.
  statement {
    sid       = "FindThings"
    actions   = ["iot:ListThings"]
    resources = ["*"]
  }
}
