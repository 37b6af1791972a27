# A queue that feeds a function, and the queue for what the function never managed. The function, and whoever sends, are not made here.

locals {
  # Computed: the function's rights name the queue before it is there, and each queue names the other.
  arn = "arn:${var.aws.partition}:sqs:${var.aws.region}:${var.aws.account_id}:${var.name}"
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600 # 14 days, the most SQS keeps: a failure on a Friday is still there after a holiday
  sqs_managed_sse_enabled   = true

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arn]
  })

  tags = var.tags
}

resource "aws_sqs_queue" "this" {
  name                    = var.name
  sqs_managed_sse_enabled = true

  # Lambda holds a batch while it waits for the window, is throttled and tries again: AWS asks for six times the function's timeout.
  visibility_timeout_seconds = 6 * var.function_timeout + var.maximum_batching_window_in_seconds

  # As long as the dead letters: a stopped function is noticed before its work is dropped.
  message_retention_seconds = 1209600

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
  maximum_batching_window_in_seconds = var.maximum_batching_window_in_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }

  tags = var.tags
}
