# A schedule of EventBridge Scheduler that sends a message to a queue or invokes a function, and its role. Neither is created here.

locals {
  group = "default"

  # Roles belong to the account, not to a region. AWS takes 64 characters, and does not distinguish names by case: with a capital, the name has
  # a digest, so that the stacks farm and Farm have roles of their own.
  role_wanted = "${var.name}-schedule-${var.aws.region}"
  role_name   = length(local.role_wanted) <= 64 && local.role_wanted == lower(local.role_wanted) ? local.role_wanted : "${substr(var.name, 0, 45 - length(var.aws.region))}-schedule-${substr(sha256(var.name), 0, 8)}-${var.aws.region}"
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "SchedulesAssume"
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

    # The group: EventBridge Scheduler shows its ARN, never the schedule's (user guide, "Confused deputy prevention"), and refuses to
    # create a schedule whose role it can't assume.
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${var.aws.partition}:scheduler:${var.aws.region}:${var.aws.account_id}:schedule-group/${local.group}"]
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = local.role_name
  path                 = var.aws.roles.path
  description          = "Role of the schedule ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.aws.roles.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "tick"
  role   = aws_iam_role.this.name
  policy = var.target.use.policy_json
}

resource "aws_scheduler_schedule" "this" {
  # checkov:skip=CKV_AWS_297: the input says what is due and holds nothing secret; EventBridge Scheduler encrypts it with a key of its own

  name                = var.name
  group_name          = local.group
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
