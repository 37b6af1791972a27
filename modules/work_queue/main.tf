# A queue that feeds a function, the dead-letter queue behind it, and the grants of those who send to it and work on it.
# The function and the senders are not created here.

locals {
  suffix = var.fifo ? ".fifo" : ""
  name   = "${var.name}${local.suffix}"

  dead_letters_name = "${var.name}-dead-letters${local.suffix}"

  # Computed: the rights of the function name the queue before it exists, and each queue names the other.
  arn              = "${local.arns}:${local.name}"
  dead_letters_arn = "${local.arns}:${local.dead_letters_name}"
  arns             = "arn:${var.aws.partition}:sqs:${var.aws.region}:${var.aws.account_id}"

  # As SQS composes them. AWS IoT Core is in three partitions, of which one has a domain of its own.
  url              = "${local.urls}/${local.name}"
  dead_letters_url = "${local.urls}/${local.dead_letters_name}"
  urls             = "https://sqs.${var.aws.region}.${var.aws.partition == "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"}/${var.aws.account_id}"

  # AWS recommends six times the function's timeout: Lambda holds a batch while it waits for the window, is throttled, and retries. In a
  # FIFO queue a message blocks its group for as long, so there it is what one invocation needs. Only a function that was ended from outside
  # leaves its messages hidden for so long: for a message that it failed on, the function sets when it is delivered again.
  visibility_timeout_seconds = var.fifo ? var.function_timeout + 60 : 6 * var.function_timeout + var.maximum_batching_window_in_seconds

  # The names to work on it differ, so that one function can work on a queue of either kind.
  grants = {
    send = var.send == null ? null : {
      statements = [{
        sid       = var.send.sid
        actions   = concat(["sqs:SendMessage"], var.send.reads_length ? ["sqs:GetQueueAttributes"] : [])
        resources = [local.arn]
      }]
      key_actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
    give_up = var.give_up == null ? null : {
      statements = [{
        sid       = var.give_up.sid
        actions   = ["sqs:SendMessage"]
        resources = [local.dead_letters_arn]
      }]
      key_actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
    work = {
      statements = [
        {
          sid       = var.fifo ? "WorkOffFifoQueue" : "WorkOffQueue"
          actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
          resources = [local.arn]
        },
        {
          sid       = var.fifo ? "SetWhenGroupsComeAgain" : "SetWhenMessagesComeAgain"
          actions   = ["sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"]
          resources = [local.arn]
        },
      ]
      key_actions = ["kms:Decrypt"]
    }
  }
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = local.dead_letters_name
  fifo_queue                = var.fifo ? true : null
  message_retention_seconds = 1209600 # 14 days, the longest SQS keeps a message: a failure on a Friday is still there after a holiday
  sqs_managed_sse_enabled   = var.aws.kms_key == null ? true : null
  kms_master_key_id         = one(var.aws.kms_key[*].arn)

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arn]
  })

  tags = var.tags
}

# After the dead-letter queue, although the provider waits 25 seconds for each: AWS accepts no redrive policy to a queue that does not
# exist, and a redrive policy that is attached later (aws_sqs_queue_redrive_policy) waits another 25 seconds, on destroy as well.
resource "aws_sqs_queue" "this" {
  name                       = local.name
  fifo_queue                 = var.fifo ? true : null
  sqs_managed_sse_enabled    = var.aws.kms_key == null ? true : null
  kms_master_key_id          = one(var.aws.kms_key[*].arn)
  visibility_timeout_seconds = local.visibility_timeout_seconds
  message_retention_seconds  = var.message_retention_seconds

  # EventBridge Scheduler sends no deduplication ID; without this it can't send to a FIFO queue.
  content_based_deduplication = var.fifo ? true : null

  # High throughput counts messages by group (developer guide, "High throughput for FIFO queues").
  deduplication_scope   = var.high_throughput ? "messageGroup" : null
  fifo_throughput_limit = var.high_throughput ? "perMessageGroupId" : null

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.maximum_receive_count
  })

  tags = var.tags
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = aws_sqs_queue.this.arn
  function_name                      = var.function_arn
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.fifo ? null : var.maximum_batching_window_in_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  # In a FIFO queue, Lambda also works on one batch of a message group at a time.
  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }

  tags = var.tags
}

data "aws_iam_policy_document" "grant" {
  for_each = { for name, grant in local.grants : name => grant if grant != null }

  dynamic "statement" {
    for_each = each.value.statements

    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }

  # SQS asks KMS in the name of who sends, who receives, and of Lambda as the function.
  dynamic "statement" {
    for_each = var.aws.kms_key[*].arn

    content {
      sid       = "UseKeyTo${each.value.statements[0].sid}"
      actions   = each.value.key_actions
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["sqs.${var.aws.region}.amazonaws.com*"]
      }
    }
  }
}
