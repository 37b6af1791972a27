# One rule of AWS IoT: what it selects, its one action, and the queue or the function for the messages that the action failed on.
# Functions, queues, tables and streams are not created here.

locals {
  # AWS IoT takes no dash in the name of a rule.
  name = replace(var.name, "-", "_")

  # Computed: the role's trust names the rule, and the rule names the role.
  arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}:rule/${local.name}"

  # Roles belong to the account, not to a region. AWS takes 64 characters, and does not distinguish names by case: with a capital, the name has
  # a digest, so that the stacks farm and Farm have roles of their own.
  role_wanted = "${local.name}-rule-${var.aws.region}"
  role_name   = length(local.role_wanted) <= 64 && local.role_wanted == lower(local.role_wanted) ? local.role_wanted : "${substr(local.name, 0, 49 - length(var.aws.region))}-rule-${substr(sha256(local.name), 0, 8)}-${var.aws.region}"

  sql = "SELECT ${var.select} FROM '${var.topic_filter}'${var.where == null ? "" : " WHERE ${var.where}"}"
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "ThisRuleAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["iot.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.aws.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.arn]
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = local.role_name
  path                 = var.aws.roles.path
  description          = "Role of the topic rule ${local.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.aws.roles.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "queues" {
  dynamic "statement" {
    for_each = var.error_queue[*]

    content {
      sid       = "KeepFailedMessages"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value.arn]
    }
  }

  dynamic "statement" {
    for_each = var.action.firehose[*]

    content {
      sid       = "DeliverSelectedMessages"
      actions   = ["firehose:PutRecord"]
      resources = [statement.value.arn]
    }
  }

  dynamic "statement" {
    for_each = var.action.kinesis[*]

    content {
      sid       = "StreamSelectedMessages"
      actions   = ["kinesis:PutRecord"]
      resources = [statement.value.arn]
    }
  }

  dynamic "statement" {
    for_each = var.action.table[*]

    content {
      sid       = "StoreSelectedMessages"
      actions   = ["dynamodb:PutItem"]
      resources = [statement.value.arn]
    }
  }

  dynamic "statement" {
    for_each = var.action.queue[*]

    content {
      sid       = "QueueSelectedMessages"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value.arn]
    }
  }

  dynamic "statement" {
    for_each = var.action.republish[*]

    content {
      sid       = "RepublishSelectedMessages"
      actions   = ["iot:Publish"]
      resources = [for topic in statement.value.topics : "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}:topic/${topic}"]
    }
  }

  # SQS and DynamoDB ask KMS in the name of this role.
  dynamic "statement" {
    for_each = var.error_queue != null || var.action.queue != null ? var.aws.kms_key[*].arn : []

    content {
      sid       = "UseKeyOfQueues"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["sqs.${var.aws.region}.amazonaws.com*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.action.table != null ? var.aws.kms_key[*].arn : []

    content {
      sid       = "UseKeyOfTable"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${var.aws.region}.amazonaws.com*"]
      }
    }
  }
}

resource "aws_iam_role_policy" "queues" {
  name   = "queues"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.queues.json
}

resource "aws_lambda_permission" "this" {
  count = var.action.function == null ? 0 : 1

  statement_id   = local.name
  action         = "lambda:InvokeFunction"
  function_name  = var.action.function.arn
  principal      = "iot.amazonaws.com"
  source_account = var.aws.account_id
  source_arn     = local.arn
}

resource "aws_lambda_permission" "error" {
  count = var.error_function == null ? 0 : 1

  statement_id   = "${local.name}_error"
  action         = "lambda:InvokeFunction"
  function_name  = var.error_function.arn
  principal      = "iot.amazonaws.com"
  source_account = var.aws.account_id
  source_arn     = local.arn
}

resource "aws_iot_topic_rule" "this" {
  name        = local.name
  description = var.description
  enabled     = true
  sql         = local.sql
  sql_version = "2016-03-23"

  dynamic "dynamodbv2" {
    for_each = var.action.table[*]

    content {
      role_arn = aws_iam_role.this.arn

      put_item {
        table_name = dynamodbv2.value.name
      }
    }
  }

  dynamic "firehose" {
    for_each = var.action.firehose[*]

    content {
      delivery_stream_name = firehose.value.name
      role_arn             = aws_iam_role.this.arn
      separator            = "\n"
    }
  }

  dynamic "kinesis" {
    for_each = var.action.kinesis[*]

    content {
      stream_name = kinesis.value.name
      role_arn    = aws_iam_role.this.arn
      # One device, one partition: its messages stay in order.
      partition_key = "$${topic(${length(split("/", var.topic_filter))})}"
    }
  }

  dynamic "lambda" {
    for_each = var.action.function[*]

    content {
      function_arn = lambda.value.arn
    }
  }

  dynamic "republish" {
    for_each = var.action.republish[*]

    content {
      topic    = republish.value.topic
      role_arn = aws_iam_role.this.arn
      qos      = 1
    }
  }

  dynamic "sqs" {
    for_each = var.action.queue[*]

    content {
      queue_url  = sqs.value.url
      role_arn   = aws_iam_role.this.arn
      use_base64 = false
    }
  }

  error_action {
    dynamic "lambda" {
      for_each = var.error_function[*]

      content {
        function_arn = lambda.value.arn
      }
    }

    dynamic "sqs" {
      for_each = var.error_queue[*]

      content {
        queue_url  = sqs.value.url
        role_arn   = aws_iam_role.this.arn
        use_base64 = false
      }
    }
  }

  tags = var.tags

  # The first message that the rule selects must find the rights of its action.
  depends_on = [aws_iam_role_policy.queues, aws_lambda_permission.error, aws_lambda_permission.this]
}
