# Readings of devices: the rules that read them, the function that evaluates them, the table with the state of each device, the topic
# on which changes of level are notified, and the rule that hands records on. Without telemetry, none of these exists.

locals {
  telemetry_on = var.telemetry != null

  reading_topics = {
    sensor = local.topics.sensor
    status = local.topics.status
  }

  answer_topics = {
    record   = "${var.stack.name}/record/+/+"
    rejected = "${var.stack.name}/device/rejected/+"
  }

  # Without what is not set: the types are an environment variable of the function.
  reading_types = { for type, settings in try(merge(var.telemetry.types, { status = var.telemetry.status }), {}) : type => {
    fields  = { for name, field in settings.fields : name => { for key, value in field : key => value if value != null } }
    metrics = settings.metrics
  } }

  creates_alert_topic = local.telemetry_on && try(var.telemetry.notifications.enabled && var.telemetry.notifications.topic_arn == null, false)
  notifies            = local.telemetry_on && try(var.telemetry.notifications.enabled, false)
  alert_topic_arn     = local.creates_alert_topic ? aws_sns_topic.alerts[0].arn : local.notifies ? var.telemetry.notifications.topic_arn : null

  # Not var.telemetry.stream itself: its attributes that are null would count.
  stream = local.telemetry_on ? { for name, target in var.telemetry.stream : name => target if target != null } : {}

  telemetry_failures = merge(
    { for function in module.telemetry_function : "telemetry_failures" => {
      arn       = function.failure_queue.arn
      url       = function.failure_queue.url
      replay_to = { function_name = function.name, queue_url = null }
    } },
    { for queue in aws_sqs_queue.records_failures : "records_failures" => {
      arn       = queue.arn
      url       = queue.url
      replay_to = { function_name = null, queue_url = try(local.stream.queue.url, null) }
    } },
  )
}

module "telemetry_function" {
  source = "../function"
  count  = local.telemetry_on ? 1 : 0

  name                    = "${var.stack.name}-telemetry"
  description             = "Readings of devices: checks them, publishes records, reports and notifies changes of level"
  handler                 = "handlers.telemetry.handler"
  timeout                 = 15
  asynchronous_invocation = {}
  functions               = var.functions
  policy_json             = data.aws_iam_policy_document.telemetry[0].json
  alarms                  = var.alarms
  aws                     = var.aws
  tags                    = var.tags

  environment = merge(
    {
      SETTINGS_SECONDS = tostring(var.telemetry.settings_seconds)
      STACK_NAME       = var.stack.name
      TELEMETRY_TYPES  = jsonencode(local.reading_types)
    },
    local.notifies ? { ALERT_TOPIC_ARN = local.alert_topic_arn } : {},
  )

  uses = {
    states     = module.telemetry_states[0].use
    things_log = var.things_log
  }
}

# No backup: the next reading of a device brings back what the table lost.
module "telemetry_states" {
  source = "../table"
  count  = local.telemetry_on ? 1 : 0

  name     = "${var.stack.name}-telemetry-states"
  hash_key = "thing"
  use      = { sid = "KeepAlertStates", environment_variable = "TELEMETRY_STATES_TABLE" }
  deletion = { sid = "DeleteAlertStates" }
  aws      = var.aws
  tags     = var.tags
}

# The time of receipt orders readings without a time of their own, and shows whether the clock of a device can be right.
module "telemetry_rules" {
  source   = "../topic_rule"
  for_each = local.telemetry_on ? local.reading_topics : {}

  name         = "${var.stack.name}-${each.key}"
  description  = "Readings of devices on ${each.value}"
  topic_filter = each.value
  select       = "topic() AS topic, encode(*, 'base64') AS payload, timestamp() AS aws_timestamp"
  action       = { function = { arn = module.telemetry_function[0].arn } }
  error_queue  = module.telemetry_function[0].failure_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

# Without a key of the user's, with that of AWS for Amazon SNS, which whoever may publish may use.
resource "aws_sns_topic" "alerts" {
  count = local.creates_alert_topic ? 1 : 0

  name              = "${var.stack.name}-alerts"
  display_name      = "Alerts of ${var.stack.name}"
  kms_master_key_id = var.aws.kms_key == null ? "alias/aws/sns" : var.aws.kms_key.arn # AWS's key: whoever may publish on the topic may use it
  tags              = var.tags
}

data "aws_iam_policy_document" "telemetry" {
  count = local.telemetry_on ? 1 : 0

  statement {
    sid       = "FollowDeviceShadows"
    actions   = ["iot:GetThingShadow", "iot:UpdateThingShadow"]
    resources = ["arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}:thing/*"]
  }

  statement {
    sid     = "PublishRecords"
    actions = ["iot:Publish"]
    resources = [
      "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}:topic/${var.stack.name}/record/*",
      "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}:topic/${var.stack.name}/device/rejected/*",
    ]
  }

  dynamic "statement" {
    for_each = local.notifies ? [local.alert_topic_arn] : []

    content {
      sid       = "NotifyAlerts"
      actions   = ["sns:Publish"]
      resources = [statement.value]
    }
  }

  # Amazon SNS asks KMS in the name of who publishes.
  dynamic "statement" {
    for_each = local.creates_alert_topic ? var.aws.kms_key[*].arn : []

    content {
      sid       = "UseKeyToNotifyAlerts"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["sns.${var.aws.region}.amazonaws.com*"]
      }
    }
  }
}

# Records → the stream of the user's choice, by AWS IoT itself: no function is invoked for it.

module "records_rule" {
  source = "../topic_rule"
  count  = length(local.stream)

  name         = "${var.stack.name}-records"
  description  = "Records of readings, handed on to ${keys(local.stream)[0]}"
  topic_filter = local.answer_topics.record
  select       = "*"
  action       = local.stream
  error_queue  = { arn = aws_sqs_queue.records_failures[0].arn, url = aws_sqs_queue.records_failures[0].url }
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

# Apart from the function's failures: a record that is replayed to the function would be no reading.
resource "aws_sqs_queue" "records_failures" {
  count = length(local.stream)

  name                      = "${var.stack.name}-records-failures"
  message_retention_seconds = 1209600 # 14 days, the longest SQS keeps a message
  sqs_managed_sse_enabled   = var.aws.kms_key == null ? true : null
  kms_master_key_id         = one(var.aws.kms_key[*].arn)
  tags                      = var.tags
}
