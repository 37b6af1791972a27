# What one MQTT client with a certificate may do: connect under its own id, and publish below one topic; and the right of configure to
# create its certificate. The certificate is not created here: Terraform would keep its private key in the state.

locals {
  # A client of its own for each stack: two never share a certificate or disconnect each other. The Things Stack takes up to 23 characters.
  # It names neither the cluster nor the application: an apply that can't move to another one leaves the connected client as it is.
  mqtt_client_id = "tts-${substr(sha256(join("/", [var.aws.account_id, var.aws.region, var.stack.name])), 0, 16)}"
  mqtt_name      = "${var.stack.name}-things-stack"
}

data "aws_iam_policy_document" "mqtt" {
  count = local.by_mqtt ? 1 : 0

  statement {
    sid       = "ConnectUnderOwnId"
    actions   = ["iot:Connect"]
    resources = ["${local.iot_arn}:client/${local.mqtt_client_id}"]
  }

  statement {
    sid       = "PublishMessages"
    actions   = ["iot:Publish"]
    resources = local.topic_arns
  }
}

resource "aws_iot_policy" "mqtt" {
  count = local.by_mqtt ? 1 : 0

  name   = local.mqtt_name
  policy = data.aws_iam_policy_document.mqtt[0].json
  tags   = var.tags

  # For some minutes after its last certificate was deleted, AWS still counts the policy as attached.
  timeouts {
    delete = "6m"
  }

  # When the mode changes, destroyed only once The Things Stack is configured with the new one.
  lifecycle {
    create_before_destroy = true
  }
}

data "aws_iam_policy_document" "configure_mqtt" {
  count = local.by_mqtt ? 1 : 0

  # CreateKeysAndCertificate has no resource level in IAM.
  statement {
    sid       = "CreateCertificate"
    actions   = ["iot:CreateKeysAndCertificate"]
    resources = ["*"]
  }

  # A certificate's ARN holds its fingerprint, which is not known before it is created. IAM checks AttachPolicy on the certificate alone.
  statement {
    sid       = "KeepCertificates"
    actions   = ["iot:AttachPolicy", "iot:DeleteCertificate", "iot:DescribeCertificate", "iot:DetachPolicy", "iot:UpdateCertificate"]
    resources = ["${local.iot_arn}:cert/*"]
  }

  statement {
    sid       = "FindOwnCertificates"
    actions   = ["iot:ListTargetsForPolicy"]
    resources = ["${local.iot_arn}:policy/${local.mqtt_name}"]
  }
}

# A policy of its own: on destroy, and when the mode changes, it stays until the certificates are deleted.
resource "aws_iam_role_policy" "configure_mqtt" {
  count = local.by_mqtt ? 1 : 0

  name   = "mqtt"
  role   = var.configure_role_name
  policy = data.aws_iam_policy_document.configure_mqtt[0].json

  lifecycle {
    create_before_destroy = true
  }
}
