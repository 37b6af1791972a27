# When the function that compares both registries runs: a schedule, the FIFO queue it ticks into, and the mapping that calls the
# function for one message at a time. The function is not made here.

locals {
  # Computed: the function's rights name the queue before it is there, and each queue names the other.
  arn          = "arn:${var.aws.partition}:sqs:${var.aws.region}:${var.aws.account_id}:${var.name}.fifo"
  schedule_arn = "arn:${var.aws.partition}:scheduler:${var.aws.region}:${var.aws.account_id}:schedule/default/${var.name}"

  # SQS hands out no second message of a group while one is worked on: with a single group, no run meets another.
  message_group = "sync"
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters.fifo"
  fifo_queue                = true
  message_retention_seconds = 1209600 # 14 days, the most SQS keeps
  sqs_managed_sse_enabled   = true

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arn]
  })

  tags = var.tags
}

resource "aws_sqs_queue" "this" {
  name                    = "${var.name}.fifo"
  fifo_queue              = true
  sqs_managed_sse_enabled = true

  # Scheduler gives no deduplication id; without this, it can't send to a FIFO queue.
  content_based_deduplication = true

  # No longer than a call needs: until then, a run that failed holds up the next one.
  visibility_timeout_seconds = var.function_timeout + 60

  # A tick that nobody took for a day is none.
  message_retention_seconds = 86400

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 3
  })

  tags = var.tags
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn = aws_sqs_queue.this.arn
  function_name    = var.function_arn
  batch_size       = 1
  tags             = var.tags
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "ThisScheduleAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.aws.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.schedule_arn]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-schedule"
  description        = "Role of the schedule ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "Tick"
    actions   = ["sqs:SendMessage"]
    resources = [local.arn]
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "tick"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_scheduler_schedule" "this" {
  name                = var.name
  description         = "Starts the comparison of things and end devices"
  schedule_expression = var.schedule

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sqs_queue.this.arn
    role_arn = aws_iam_role.this.arn

    # Another text for every tick: SQS drops a message it has had in the last five minutes. Not jsonencode, which writes
    # the angle brackets of Scheduler's own variable as \u003c.
    input = "{\"start\": \"<aws.scheduler.scheduled-time>\"}"

    sqs_parameters {
      message_group_id = local.message_group
    }

    # A tick that can't be sent is not worth sending later: the next one comes anyway.
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 3
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
