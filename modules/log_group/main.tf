# A log group that several functions write to, and the grant to do so. A function's own log group is part of the module function.

locals {
  # Computed: rights can be planned before the group exists.
  arn = "arn:${var.aws.partition}:logs:${var.aws.region}:${var.aws.account_id}:log-group:${var.name}"
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: CloudWatch Logs encrypts with a key of its own; kms_key names yours

  name              = var.name
  retention_in_days = var.retention_in_days
  kms_key_id        = one(var.aws.kms_key[*].arn)
  tags              = var.tags
}

data "aws_iam_policy_document" "use" {
  statement {
    sid     = var.use.sid
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]

    # Log groups are checked by their name, log streams by a name below it.
    resources = [local.arn, "${local.arn}:*"]
  }
}
