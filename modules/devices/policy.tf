# What a device may do: one policy for all of them, in which the name of the thing stands for each device's own, and the user's policy.

locals {
  iot_arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"

  # Known only to an MQTT connection whose certificate is attached to a thing and whose client id is the name of that thing. Over HTTPS,
  # AWS fills in nothing, so no statement could be about a device's own shadow there.
  thing = "$${iot:Connection.Thing.ThingName}"

  own_things = "$aws/things/${local.thing}"

  # AWS takes 2,048 characters: the longest name of a stack must fit.
  policy_json = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Action    = "iot:Connect"
        Resource  = "${local.iot_arn}:client/${local.thing}"
        Condition = { Bool = { "iot:Connection.Thing.IsAttached" = "true" } }
      },
      {
        Effect = "Allow"
        Action = "iot:Publish"
        # Requests to its shadows, and no answers or deltas of the service: "*" is empty for the classic shadow.
        Resource = [
          "${local.iot_arn}:topic/${var.stack.name}/sensor/*/${local.thing}",
          "${local.iot_arn}:topic/${var.stack.name}/device/status/${local.thing}",
          "${local.iot_arn}:topic/${local.own_things}/shadow/*get",
          "${local.iot_arn}:topic/${local.own_things}/shadow/*update",
        ]
      },
      {
        Effect   = "Allow"
        Action   = ["iot:Publish", "iot:Receive"]
        Resource = "${local.iot_arn}:topic/${local.own_things}/jobs/*"
      },
      {
        Effect = "Allow"
        Action = ["iot:Subscribe", "iot:Receive"]
        Resource = [
          "${local.iot_arn}:topic/${var.stack.name}/device/*/${local.thing}",
          "${local.iot_arn}:topicfilter/${var.stack.name}/device/*/${local.thing}",
          "${local.iot_arn}:topic/${local.own_things}/shadow/*",
          "${local.iot_arn}:topicfilter/${local.own_things}/shadow/*",
          "${local.iot_arn}:topicfilter/${local.own_things}/jobs/*",
        ]
      },
    ]
  })
}

resource "aws_iot_policy" "this" {
  name   = "${var.stack.name}-device"
  policy = local.policy_json
  tags   = var.tags

  # For some minutes after its last certificate was deleted, AWS still counts the policy as attached.
  timeouts {
    delete = "6m"
  }
}

resource "aws_iot_policy" "own" {
  count = var.own_policy_json == null ? 0 : 1

  name   = "${var.stack.name}-device-own"
  policy = var.own_policy_json
  tags   = var.tags

  timeouts {
    delete = "6m"
  }
}
