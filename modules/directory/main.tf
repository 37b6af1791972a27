# Which thing a device is, for all functions: the table, the rules that read registry events, their queue, and the function that keeps the
# table true. What events miss is found by the comparison (module registry).

locals {
  any_thing        = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}:thing/*"
  function_timeout = 30

  # The attributes that show which device a thing stood for, and nothing else: an event also holds root keys and claim codes.
  select = "thingName, timestamp() AS at, attributes.devEUI AS devEUI, attributes.deviceID AS deviceID"

  # Every comparison is of attributes that are there: AWS IoT takes one with an undefined value, and what is made of it, for not true.
  has_eui  = "NOT isUndefined(attributes.devEUI)"
  names_it = "(${local.has_eui} OR NOT isUndefined(attributes.deviceID))"

  rules = {
    # Whatever the stack: the event of a thing that was moved names its new one.
    changed = {
      description  = "Things that name a LoRaWAN device, when they are changed or deleted, or created without a DevEUI"
      topic_filter = "$aws/events/thing/+/+"
      where        = "(operation <> 'CREATED' OR isUndefined(attributes.devEUI)) AND ${local.names_it}"
    }
    # A name that the stack would give can't be given twice, so the table need not know of it: a rush of new devices sends no events here.
    created = {
      description  = "Things with a DevEUI that a person has named"
      topic_filter = "$aws/events/thing/+/created"
      where        = var.stack.thing_name_scheme == "DevEUI" ? "thingName <> attributes.devEUI" : "${local.has_eui} AND NOT regexp_matches(thingName, '^${var.stack.name}_')"
    }
  }
}

# No backup: what is lost is looked up again, and the next comparison writes it.
module "table" {
  source = "../table"

  name     = "${var.stack.name}-directory"
  hash_key = "device"
  use      = { sid = "KeepDirectory", environment_variable = "DIRECTORY_TABLE" }
  # The function registry asks AWS IoT, and records what it learns; it does not read the table.
  update = { sid = "RecordThings" }
  aws    = var.aws
  tags   = var.tags
}

module "function" {
  source = "../function"

  name        = "${var.stack.name}-directory"
  description = "Registry events of things: which thing a device is"
  handler     = "handlers.directory.handler"
  timeout     = local.function_timeout
  functions   = var.functions
  policy_json = data.aws_iam_policy_document.rights.json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = {
    IOT_ENDPOINT      = var.iot_endpoint
    STACK_NAME        = var.stack.name
    THING_NAME_SCHEME = var.stack.thing_name_scheme
    THING_TYPE_NAME   = var.stack.thing_type_name
  }

  uses = {
    queue      = module.queue.work
    table      = module.table.use
    things_log = var.things_log
  }
}

module "queue" {
  source = "../work_queue"

  name                 = "${var.stack.name}-directory"
  function_arn         = module.function.arn
  function_timeout     = local.function_timeout
  maximum_concurrency  = var.maximum_concurrency
  send                 = { sid = "HaveThingsLookedAt", environment_variable = "DIRECTORY_QUEUE_URL" }
  longest_wait_seconds = 300 # what waits longer is a thing that messages still go to, although it was moved
  alarms               = var.alarms
  aws                  = var.aws
  tags                 = var.tags
}

module "rule" {
  source   = "../topic_rule"
  for_each = local.rules

  name         = "${var.stack.name}-directory-${each.key}"
  description  = each.value.description
  select       = local.select
  topic_filter = each.value.topic_filter
  where        = each.value.where
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

  # A thing that a message made while a person made another one for its device: only as long as nothing has changed it.
  statement {
    sid       = "UndoSecondThings"
    actions   = ["iot:DeleteThing"]
    resources = [local.any_thing]
  }
}

# What the function upstream needs to decide that a device is new: no event waits. If the event of a person's thing is handled just while it
# makes one, it sends that event again.
data "aws_iam_policy_document" "messages" {
  source_policy_documents = [module.table.use.policy_json, module.queue.send.policy_json]

  statement {
    sid       = "CountEvents"
    actions   = ["sqs:GetQueueAttributes"]
    resources = [module.queue.static.queue.arn, module.queue.static.dead_letter_queue.arn]
  }
}

data "aws_iam_policy_document" "upkeep" {
  source_policy_documents = [module.table.use.policy_json]

  statement {
    sid       = "CompareDirectory"
    actions   = ["dynamodb:PutItem", "dynamodb:Scan"]
    resources = [module.table.arn]
  }

  # Looks at what the listing and the table have differently, and whether events keep the table true.
  statement {
    sid       = "LookAtThings"
    actions   = ["iot:DescribeThing"]
    resources = [local.any_thing]
  }

  # Has no resource level in IAM.
  statement {
    sid       = "KnowWhetherEventsAreSent"
    actions   = ["iot:DescribeEventConfigurations"]
    resources = ["*"]
  }
}
