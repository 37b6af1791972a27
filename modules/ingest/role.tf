# The role that The Things Stack assumes from its own account to publish messages and to take downlink requests. Nothing in this
# account assumes it.

locals {
  # Requests of The Things Stack to us (DownlinkQueueRequest); everything else below the base topic goes the other way.
  request_topics = ["${var.base_topic}/downlink/push", "${var.base_topic}/downlink/replace"]

  # Roles belong to the account, not to a region. AWS takes 64 characters, and does not distinguish names by case: with a capital, the name has
  # a digest, so that the stacks farm and Farm have roles of their own.
  role_wanted  = "${var.stack.name}-things-stack-${var.aws.region}"
  role_derived = length(local.role_wanted) <= 64 && local.role_wanted == lower(local.role_wanted) ? local.role_wanted : "${substr(var.stack.name, 0, 41 - length(var.aws.region))}-things-stack-${substr(sha256(var.stack.name), 0, 8)}-${var.aws.region}"

  # The trust of the hosted package may require no external ID. Then the name of the role is what protects it: another customer of that
  # Things Stack, who could name it in a package of theirs, must not be able to guess it. 64 bits of the ID that is generated.
  role_name = var.mode == "package" ? "${substr(var.stack.name, 0, 34)}-things-stack-${substr(sha256(terraform_data.external_id.output), 0, 16)}" : local.role_derived

  # The hosted package is not known to show an external id: it is required only on request.
  external_id = (
    !local.by_role ? null :
    var.external_id != null ? var.external_id :
    var.mode == "package" ? null :
    terraform_data.external_id.output
  )
}

# Generated once and kept: an ID that can be derived from the stack's name protects no one.
resource "terraform_data" "external_id" {
  input = uuid()

  lifecycle {
    ignore_changes = [input]
  }
}

data "aws_iam_policy_document" "trust" {
  count = local.by_role ? 1 : 0

  statement {
    sid     = "TheThingsStackAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${var.aws.partition}:iam::${var.trusted_account_id}:root"]
    }

    # The integrations of all customers trust the same account: without the id, any other customer of that Things Stack could make it
    # assume this role (the confused deputy).
    dynamic "condition" {
      for_each = local.external_id[*]

      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [condition.value]
      }
    }
  }
}

# No path: the grammar in which The Things Stack takes the ARN has no room for one.
resource "aws_iam_role" "things_stack" {
  # checkov:skip=CKV_AWS_61: the account of The Things Stack as a whole is what is known of it; the external id limits who may assume the role

  count = local.by_role ? 1 : 0

  name                 = local.role_name
  description          = "Assumed by The Things Stack to exchange messages of the stack ${var.stack.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust[0].json
  permissions_boundary = var.aws.roles.permissions_boundary_arn
  tags                 = var.tags

  # When the mode changes, destroyed only once The Things Stack is configured with the new one.
  lifecycle {
    create_before_destroy = true
  }
}

data "aws_iam_policy_document" "messages" {
  count = local.by_role ? 1 : 0

  # DescribeEndpoint has no resource level in IAM.
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
    resources = ["${local.iot_arn}:topic/${var.base_topic}/*"]
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
  count = local.by_role ? 1 : 0

  name   = "messages"
  role   = aws_iam_role.things_stack[0].name
  policy = data.aws_iam_policy_document.messages[0].json

  lifecycle {
    create_before_destroy = true
  }
}
