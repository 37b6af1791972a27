# The role The Things Stack assumes from its own account to publish and to take downlinks. Nothing of ours assumes it.

locals {
  iot_arn    = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"
  base_topic = "thethings/lorawan/${var.stack_name}"

  # Requests of TTS to us (DownlinkQueueRequest); everything else below the base topic goes the other way.
  request_topics = ["${local.base_topic}/downlink/push", "${local.base_topic}/downlink/replace"]
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "TheThingsStackAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${var.aws.partition}:iam::${var.trusted_account_id}:root"]
    }

    # Everybody's integration trusts the same account: without the id any other customer of that
    # Things Stack could have it assume this role (the confused deputy).
    dynamic "condition" {
      for_each = var.external_id[*]

      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [condition.value]
      }
    }
  }
}

# No path: the grammar in which TTS takes the ARN has no room for one.
resource "aws_iam_role" "this" {
  name               = "${var.stack_name}-things-stack"
  description        = "Assumed by The Things Stack to exchange messages of the stack ${var.stack_name}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

data "aws_iam_policy_document" "messages" {
  statement {
    sid       = "FindEndpoint"
    actions   = ["iot:DescribeEndpoint"]
    resources = ["*"]
  }

  statement {
    sid       = "Connect"
    actions   = ["iot:Connect"]
    resources = ["${local.iot_arn}:client/${var.client_id_pattern}"]
  }

  statement {
    sid       = "PublishUpstreamMessages"
    actions   = ["iot:Publish"]
    resources = ["${local.iot_arn}:topic/${local.base_topic}/*"]
  }

  statement {
    sid       = "SubscribeToDownlinkRequests"
    actions   = ["iot:Subscribe"]
    resources = [for topic in local.request_topics : "${local.iot_arn}:topicfilter/${topic}"]
  }

  statement {
    sid       = "ReceiveDownlinkRequests"
    actions   = ["iot:Receive"]
    resources = [for topic in local.request_topics : "${local.iot_arn}:topic/${topic}"]
  }
}

resource "aws_iam_role_policy" "messages" {
  name   = "messages"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.messages.json
}
