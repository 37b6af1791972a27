# What alarms of the stack do, and the topic of Amazon SNS that notifies people of them. The alarms themselves belong to the functions, rules
# and queues that they watch. The dashboard is in dashboard.tf.

locals {
  creates_topic = var.settings != null && try(length(var.settings.emails) > 0 || length(var.settings.alarm_actions) == 0, false)
  creates_key   = local.creates_topic && var.aws.kms_key == null

  name = "${var.stack.name}-alarms"

  # Computed: the policies of the topic and of its key are planned before both exist.
  topic_arn = "arn:${var.aws.partition}:sns:${var.aws.region}:${var.aws.account_id}:${local.name}"
  alarms    = "arn:${var.aws.partition}:cloudwatch:${var.aws.region}:${var.aws.account_id}:alarm"

  actions = var.settings == null ? [] : concat(var.settings.alarm_actions, aws_sns_topic.alarms[*].arn)
}

# A key of its own, as CloudWatch can't publish on a topic that is encrypted with the key of AWS for Amazon SNS, whose policy is fixed.
resource "aws_kms_key" "alarms" {
  count = local.creates_key ? 1 : 0

  description             = "Encrypts notifications of ${local.name}"
  deletion_window_in_days = 7
  enable_key_rotation     = true
  policy                  = data.aws_iam_policy_document.key[0].json
  tags                    = var.tags
}

resource "aws_kms_alias" "alarms" {
  count = local.creates_key ? 1 : 0

  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.alarms[0].key_id
}

data "aws_iam_policy_document" "key" {
  count = local.creates_key ? 1 : 0

  # In the policy of a key, * is this key.
  statement {
    sid = "AdministerKey"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:DisableKeyRotation",
      "kms:EnableKey",
      "kms:EnableKeyRotation",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${var.aws.partition}:iam::${var.aws.account_id}:root"]
    }
  }

  statement {
    sid       = "EncryptNotifications"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.aws.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.alarms}:${var.stack.name}-*"]
    }
  }
}

resource "aws_sns_topic" "alarms" {
  count = local.creates_topic ? 1 : 0

  name              = local.name
  display_name      = "Alarms of ${var.stack.name}"
  kms_master_key_id = local.creates_key ? aws_kms_key.alarms[0].arn : var.aws.kms_key.arn
  tags              = var.tags
}

data "aws_iam_policy_document" "topic" {
  count = local.creates_topic ? 1 : 0

  statement {
    sid       = "NotifyAlarms"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.aws.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.alarms}:${var.stack.name}-*"]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  count = local.creates_topic ? 1 : 0

  arn    = aws_sns_topic.alarms[0].arn
  policy = data.aws_iam_policy_document.topic[0].json
}

# AWS sends each address a message first, in which it must be confirmed.
resource "aws_sns_topic_subscription" "email" {
  for_each = toset([for email in try(var.settings.emails, []) : email if local.creates_topic])

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.value
}
