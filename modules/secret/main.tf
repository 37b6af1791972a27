# A secret in Secrets Manager, or the ARN of an existing one, and the grant to read it. The value goes in by a write-only argument: it
# is never in a plan or a state.

locals {
  created = var.existing_arn == null

  # Generated when the version is written, for that write alone. uuid() takes its bits from the system's cryptographic source: two of them
  # hold 244, and the hash keeps all of them. An ephemeral resource could generate a value too, but it calls AWS in every plan, and
  # Terraform can't mock it: what uses this module could not be tested with a mocked provider.
  digits    = var.generate == null ? null : substr(sha256("${uuid()}${uuid()}"), 0, var.generate.hex_digits)
  generated = try(var.generate.upper_case, false) ? upper(local.digits) : local.digits
}

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV_AWS_149: Secrets Manager encrypts with the account's aws/secretsmanager; kms_key names yours
  # checkov:skip=CKV2_AWS_57: the other side has to learn a new value too: a raised version rotates both in one apply

  count = local.created ? 1 : 0

  name                    = var.name
  description             = var.description
  kms_key_id              = one(var.aws.kms_key[*].arn)
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  count = local.created ? 1 : 0

  secret_id                = aws_secretsmanager_secret.this[0].id
  secret_string_wo         = var.generate == null ? var.value : local.generated
  secret_string_wo_version = var.secret_version
}

locals {
  arn = one(concat(aws_secretsmanager_secret.this[*].arn, var.existing_arn[*]))

  # Of an existing secret, which may be in another region, nothing says which key it is encrypted with: any of its account, for it alone.
  region  = local.created ? var.aws.region : split(":", var.existing_arn)[3]
  any_key = local.created ? null : join(":", ["arn", var.aws.partition, "kms", local.region, split(":", var.existing_arn)[4], "key/*"])
}

data "aws_iam_policy_document" "use" {
  statement {
    sid       = var.use.sid
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.arn]
  }

  # Secrets Manager asks KMS in the name of who reads.
  dynamic "statement" {
    for_each = local.created ? var.aws.kms_key[*].arn : [local.any_key]

    content {
      sid       = "UseKeyTo${var.use.sid}"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.amazonaws.com*"]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:SecretARN"
        values   = [local.arn]
      }
    }
  }
}
