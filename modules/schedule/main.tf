# A schedule of EventBridge Scheduler that sends a message to a queue, and its role. The queue is not created here.

locals {
  # Computed: the role's trust names the schedule, and the schedule names the role.
  arn = "arn:${var.aws.partition}:scheduler:${var.aws.region}:${var.aws.account_id}:schedule/default/${var.name}"
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
      values   = [local.arn]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-schedule"
  description        = "Role of the schedule ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "tick"
  role   = aws_iam_role.this.name
  policy = var.target.use.policy_json
}

resource "aws_scheduler_schedule" "this" {
  name                = var.name
  description         = var.description
  schedule_expression = var.expression

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.target.arn
    role_arn = aws_iam_role.this.arn
    input    = var.input

    dynamic "sqs_parameters" {
      for_each = var.target.message_group_id[*]

      content {
        message_group_id = sqs_parameters.value
      }
    }

    # A message that can't be sent is not worth sending later: the next one follows anyway.
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 3
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
