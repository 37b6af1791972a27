# What one MQTT client with a certificate may do: connect under its own id, and publish below one topic; and who may make its
# certificate. The certificate is not made here: Terraform would keep its private key in the state.

locals {
  iot_arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ConnectUnderOwnId"
    actions   = ["iot:Connect"]
    resources = ["${local.iot_arn}:client/${var.client_id}"]
  }

  statement {
    sid       = "PublishMessages"
    actions   = ["iot:Publish"]
    resources = ["${local.iot_arn}:topic/${var.base_topic}/*"]
  }
}

resource "aws_iot_policy" "this" {
  name   = var.name
  policy = data.aws_iam_policy_document.this.json
  tags   = var.tags

  # For some minutes after its last certificate was deleted, AWS still counts the policy as attached.
  timeouts {
    delete = "6m"
  }
}

data "aws_iam_policy_document" "keeper" {
  statement {
    sid       = "MakeCertificate"
    actions   = ["iot:CreateKeysAndCertificate"]
    resources = ["*"]
  }

  # AWS could narrow these to certificates and to the policy; the local AWS knows no resource of theirs.
  statement {
    sid       = "TellOwnCertificates"
    actions   = ["iot:AttachPolicy", "iot:ListTargetsForPolicy"]
    resources = ["*"]
  }

  # A certificate's ARN holds its fingerprint: nobody knows it before it is made.
  statement {
    sid       = "KeepCertificates"
    actions   = ["iot:DeleteCertificate", "iot:DescribeCertificate", "iot:UpdateCertificate"]
    resources = ["${local.iot_arn}:cert/*"]
  }
}

# Of its own, not part of the keeper's other rights: on destroy it stays until the certificates are gone.
resource "aws_iam_role_policy" "keeper" {
  name   = var.name
  role   = var.keeper_role_name
  policy = data.aws_iam_policy_document.keeper.json
}
