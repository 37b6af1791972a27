# Changes of things, for the end devices at The Things Stack: the rule that reads registry events, their queue, the function that works
# on it, and its rights. What events miss is found by the comparison in sync.tf.

locals {
  iot_arn          = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"
  any_thing        = "${local.iot_arn}:thing/*"
  function_timeout = 150

  # What the comparison leaves of the searches while work waits (flows/sync.py), in equal shares of all invocations: a look-up takes up to
  # three.
  look_ups_per_second = 0.75 * var.limits.list_things_per_second / 3 / var.limits.registry_concurrency

  # The attributes that show which device a deleted thing stood for. An event also holds root keys and claim codes, which must not wait
  # in a queue.
  selected_attributes = ["devEUI", "deviceID", "stackName"]
}

module "function" {
  source = "../function"

  name        = "${var.stack.name}-registry"
  description = "Registry events: creates and deletes the devices of things at The Things Stack"
  handler     = "handlers.registry.handler"
  timeout     = local.function_timeout
  functions   = var.functions
  policy_json = data.aws_iam_policy_document.rights.json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = {
    DEFAULT_FREQUENCY_PLAN_ID = var.default_frequency_plan_id
    LOOK_UPS_RATE             = tostring(local.look_ups_per_second)
    ON_THING_DELETED          = var.on_thing_deleted
    SCRUB_KEYS                = tostring(var.scrub_keys)
    STACK_NAME                = var.stack.name
    THING_NAME_SCHEME         = var.stack.thing_name_scheme
    THING_TYPE_NAME           = var.stack.thing_type_name
  }

  uses = merge(
    {
      directory    = var.directory.use
      queue        = module.queue.work
      things_log   = var.things_log
      things_stack = var.things_stack.use
    },
    # Keys are removed by a work item that comes a while after the device was brought in step.
    var.scrub_keys ? { work_items = module.queue.send } : {},
  )
}

module "queue" {
  source = "../work_queue"

  name                = "${var.stack.name}-registry"
  function_arn        = module.function.arn
  function_timeout    = local.function_timeout
  batch_size          = 5 # each message has 30 seconds, enough for a device on four slow servers
  maximum_concurrency = var.limits.registry_concurrency
  send                = { sid = "HandOverWork", environment_variable = "REGISTRY_QUEUE_URL", reads_length = true }
  alarms              = var.alarms
  aws                 = var.aws
  tags                = var.tags
}

module "rule" {
  source = "../topic_rule"

  name         = "${var.stack.name}-registry"
  description  = "Registry events of things of the stack ${var.stack.name}"
  select       = join(", ", concat(["operation", "thingName"], [for name in local.selected_attributes : "attributes.${name} AS ${name}"]))
  topic_filter = "$aws/events/thing/+/+"
  where        = "thingTypeName = '${var.stack.thing_type_name}' AND attributes.stackName = '${var.stack.name}'"
  action       = { queue = module.queue.queue }
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags

  # Not a queue: what AWS IoT passes on after an error is the whole event, with its keys.
  error_function = { arn = module.function.arn }
}

data "aws_iam_policy_document" "rights" {
  statement {
    sid       = "ReadThings"
    actions   = ["iot:DescribeThing"]
    resources = [local.any_thing]
  }

  statement {
    sid       = "ReportOutcomes"
    actions   = ["iot:UpdateThingShadow"]
    resources = [local.any_thing]
  }

  # Removes keys, and restores attributes that an update without merge overwrote: the comparison finds those.
  dynamic "statement" {
    for_each = var.scrub_keys || var.sync.enabled ? [local.any_thing] : []

    content {
      sid       = "ChangeThings"
      actions   = ["iot:UpdateThing"]
      resources = [statement.value]
    }
  }

  # Before a device is deleted, or when the comparison found it without a thing. ListThings has no resource level in IAM.
  dynamic "statement" {
    for_each = var.sync.enabled || var.on_thing_deleted == "delete" ? ["*"] : []

    content {
      sid       = "FindThings"
      actions   = ["iot:ListThings"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.sync.enabled ? [local.any_thing] : []

    content {
      sid       = "CreateThings"
      actions   = ["iot:CreateThing"]
      resources = [statement.value]
    }
  }

  # The shadow holds what The Things Stack refused: the comparison does not try it again each time.
  dynamic "statement" {
    for_each = var.sync.enabled ? [local.any_thing] : []

    content {
      sid       = "ReadOutcomes"
      actions   = ["iot:GetThingShadow"]
      resources = [statement.value]
    }
  }
}
