# What each function may do beyond writing its own log and its failure queue. The roles are made by modules/function.

locals {
  iot_arn = "arn:${local.aws.partition}:iot:${local.aws.region}:${local.aws.account_id}"

  # Log groups are checked by their name, log streams by a name below it.
  things_log_arns = [module.things_log.arn, "${module.things_log.arn}:*"]

  # Registry look-ups by attribute have no resource level in IAM.
  any_resource = ["*"]
}

data "aws_iam_policy_document" "upstream" {
  statement {
    sid       = "FindThings"
    actions   = ["iot:ListThings"]
    resources = local.any_resource
  }

  statement {
    sid       = "MakeThings"
    actions   = ["iot:CreateThing", "iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid       = "KeepShadows"
    actions   = ["iot:UpdateThingShadow"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  dynamic "statement" {
    for_each = module.shadow_states[*].arn

    content {
      sid       = "KeepStates"
      actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = module.shadow_queue[*].static_arn

    content {
      sid       = "PutOffTurns"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "PublishMessages"
    actions   = ["iot:Publish"]
    resources = ["${local.iot_arn}:topic/lorawan/*"]
  }

  statement {
    sid       = "WriteLogOfThings"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = local.things_log_arns
  }

  # Under end-to-end encryption: the sessions, and the key that session keys are wrapped with.
  dynamic "statement" {
    for_each = module.end_to_end_encryption[*].table_static_arn

    content {
      sid       = "KeepSessions"
      actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.end_to_end_encryption ? [module.secrets.key_encryption_key_secret_arn] : []

    content {
      sid       = "ReadKeyEncryptionKey"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "shadow" {
  count = local.paced ? 1 : 0

  statement {
    sid       = "TakeTurns"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = [module.shadow_queue[0].static_arn]
  }

  statement {
    sid       = "KeepStates"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [module.shadow_states[0].arn]
  }

  statement {
    sid       = "KeepShadows"
    actions   = ["iot:UpdateThingShadow"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid       = "WriteLogOfThings"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = local.things_log_arns
  }
}

data "aws_iam_policy_document" "webhook" {
  count = var.ingest.mode == "webhook" ? 1 : 0

  statement {
    sid       = "PublishForTheRule"
    actions   = ["iot:Publish"]
    resources = ["${local.iot_arn}:topic/${trimsuffix(local.inbound_topics.things_stack, "#")}*"]
  }

  statement {
    sid       = "ReadWebhookSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.webhook[0].secret_arn]
  }
}

data "aws_iam_policy_document" "downlink" {
  statement {
    sid       = "ReadThings"
    actions   = ["iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  dynamic "statement" {
    for_each = var.shadow.delta_f_port == null ? [] : ["${local.iot_arn}:thing/*"]

    content {
      sid       = "FollowDesiredStates"
      actions   = ["iot:GetThingShadow", "iot:UpdateThingShadow"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "RejectRequests"
    actions   = ["iot:Publish"]
    resources = ["${local.iot_arn}:topic/lorawan/*/downlink/rejected", "${local.iot_arn}:topic/lorawan/downlink/rejected"]
  }

  statement {
    sid       = "ReadApiKey"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.secrets.api_key_secret_arn]
  }

  statement {
    sid       = "WriteLogOfThings"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = local.things_log_arns
  }

  # Under end-to-end encryption: the sessions, and the key that session keys are wrapped with.
  dynamic "statement" {
    for_each = module.end_to_end_encryption[*].table_static_arn

    content {
      sid       = "KeepSessions"
      actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.end_to_end_encryption ? [module.secrets.key_encryption_key_secret_arn] : []

    content {
      sid       = "ReadKeyEncryptionKey"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "requeue" {
  count = var.end_to_end_encryption ? 1 : 0

  statement {
    sid       = "WorkOffQueue"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.requeue_queue[0].static_arn]
  }

  statement {
    sid       = "KeepSessions"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [module.end_to_end_encryption[0].table_static_arn]
  }

  # To tell on the thing's log what could not be queued again.
  statement {
    sid       = "FindThings"
    actions   = ["iot:ListThings"]
    resources = local.any_resource
  }

  statement {
    sid       = "ReadThings"
    actions   = ["iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid       = "ReadKeys"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.secrets.api_key_secret_arn, module.secrets.key_encryption_key_secret_arn]
  }

  statement {
    sid       = "WriteLogOfThings"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = local.things_log_arns
  }
}

data "aws_iam_policy_document" "registry" {
  statement {
    sid       = "WorkOffQueue"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [module.registry_queue.static_arn]
  }

  statement {
    sid       = "ReadThings"
    actions   = ["iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid       = "TellOutcomes"
    actions   = ["iot:UpdateThingShadow"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  dynamic "statement" {
    for_each = var.scrub_keys ? ["${local.iot_arn}:thing/*"] : []

    content {
      sid       = "RemoveKeys"
      actions   = ["iot:UpdateThing"]
      resources = [statement.value]
    }
  }

  # For the devices that the synchronisation found without a thing.
  dynamic "statement" {
    for_each = var.registry_sync.enabled ? [local.any_resource] : []

    content {
      sid       = "FindThings"
      actions   = ["iot:ListThings"]
      resources = statement.value
    }
  }

  # What The Things Stack refused is in the thing's shadow: the synchronisation need not try it every time.
  dynamic "statement" {
    for_each = var.registry_sync.enabled ? ["${local.iot_arn}:thing/*"] : []

    content {
      sid       = "ReadOutcomes"
      actions   = ["iot:GetThingShadow"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.registry_sync.enabled ? ["${local.iot_arn}:thing/*"] : []

    content {
      sid       = "MakeThings"
      actions   = ["iot:CreateThing"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "ReadApiKey"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.secrets.api_key_secret_arn]
  }

  statement {
    sid       = "WriteLogOfThings"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = local.things_log_arns
  }
}

data "aws_iam_policy_document" "sync" {
  count = var.registry_sync.enabled ? 1 : 0

  statement {
    sid       = "TakeTurns"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = [module.registry_sync[0].static_arn]
  }

  statement {
    sid       = "HandOverWork"
    actions   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
    resources = [module.registry_queue.static_arn]
  }

  statement {
    sid       = "FindThings"
    actions   = ["iot:ListThings"]
    resources = local.any_resource
  }

  statement {
    sid       = "ReadApiKey"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.secrets.api_key_secret_arn]
  }
}

data "aws_iam_policy_document" "configure" {
  statement {
    sid       = "ReadApiKey"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [module.secrets.api_key_secret_arn]
  }

  dynamic "statement" {
    for_each = var.end_to_end_encryption ? [module.secrets.key_encryption_key_secret_arn] : []

    content {
      sid       = "ReadKeyEncryptionKey"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.create_thing_type ? [var.thing_type_name] : []

    content {
      sid       = "MakeThingType"
      actions   = ["iot:CreateThingType", "iot:DescribeThingType"]
      resources = ["${local.iot_arn}:thingtype/${statement.value}"]
    }
  }

  dynamic "statement" {
    for_each = var.enable_registry_events ? [local.any_resource] : []

    content {
      sid       = "SwitchOnRegistryEvents"
      actions   = ["iot:DescribeEventConfigurations", "iot:UpdateEventConfigurations"]
      resources = statement.value
    }
  }

  # What the mode "mqtt" needs is given by modules/mqtt_client.
  dynamic "statement" {
    for_each = module.webhook[*].secret_arn

    content {
      sid       = "ReadWebhookSecret"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}
