# Your own key, with the policy that the module needs of it (docs/security.md). Roles of the stack use it by the rights that the module gives
# them, which the first statement permits; the other two are for services that act in no role.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

resource "aws_kms_key" "vineyard" {
  description         = "Encrypts what the stack vineyard keeps"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

data "aws_iam_policy_document" "key" {
  statement {
    sid       = "PermitByPoliciesOfTheAccount"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:root"]
    }
  }

  statement {
    sid       = "EncryptLogs"
    actions   = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    # In China, logs.<region>.amazonaws.com.cn: the only one of these services whose principal differs there.
    principals {
      type        = "Service"
      identifiers = ["logs.${data.aws_region.this.id}.${data.aws_partition.this.dns_suffix}"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values = [for name in ["/aws/lambda/vineyard-*", "/thethings/lorawan/vineyard/*"] :
        "arn:${data.aws_partition.this.partition}:logs:${data.aws_region.this.id}:${data.aws_caller_identity.this.account_id}:log-group:${name}"
      ]
    }
  }

  # Only with observability, for the topic of alarms.
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
      values   = [data.aws_caller_identity.this.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.this.partition}:cloudwatch:${data.aws_region.this.id}:${data.aws_caller_identity.this.account_id}:alarm:vineyard-*"]
    }
  }
}
