# A DynamoDB table whose items expire, and the grants to read, update and delete its items. What uses the table is not created here.

locals {
  # Computed: the rights of the functions name the table before it exists.
  arn = "arn:${var.aws.partition}:dynamodb:${var.aws.region}:${var.aws.account_id}:table/${var.name}"

  grants = {
    use = {
      sid       = var.use.sid
      actions   = concat(["dynamodb:GetItem", "dynamodb:UpdateItem"], var.use.lists_partitions ? ["dynamodb:Query"] : [])
      resources = [local.arn]
    }
    deletion = var.deletion == null ? null : {
      sid       = var.deletion.sid
      actions   = concat(["dynamodb:DeleteItem"], var.deletion.reads ? ["dynamodb:GetItem"] : [])
      resources = [local.arn]
    }
    update = var.update == null ? null : {
      sid       = var.update.sid
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.arn]
    }
    # What Lambda needs to read a stream for a function (developer guide, "Process DynamoDB records with Lambda").
    stream = var.stream == null ? null : {
      sid       = var.stream.sid
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
      resources = ["${local.arn}/stream/*"]
    }
  }
}

resource "aws_dynamodb_table" "this" {
  # checkov:skip=CKV_AWS_119: DynamoDB encrypts with a key of its own; the caller may name another
  # checkov:skip=CKV_AWS_28: items that expire and are written again need no backup; what nothing can write again has point_in_time_recovery

  name         = var.name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = var.hash_key
  range_key    = var.range_key

  dynamic "attribute" {
    for_each = compact([var.hash_key, var.range_key])

    content {
      name = attribute.value
      type = "S"
    }
  }

  stream_enabled   = var.stream == null ? null : true
  stream_view_type = var.stream == null ? null : "KEYS_ONLY"

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  dynamic "point_in_time_recovery" {
    for_each = var.point_in_time_recovery ? [true] : []

    content {
      enabled = true
    }
  }

  # Without this block DynamoDB encrypts with a key that it owns, and without an ARN with the account's aws/dynamodb.
  dynamic "server_side_encryption" {
    for_each = var.aws.kms_key != null || var.audited_encryption ? [one(var.aws.kms_key[*].arn)] : []

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  tags = var.tags
}

data "aws_iam_policy_document" "grant" {
  for_each = { for name, grant in local.grants : name => grant if grant != null }

  statement {
    sid       = each.value.sid
    actions   = each.value.actions
    resources = each.value.resources
  }

  # DynamoDB decrypts the key of a table in the name of who uses the table, to read and to write.
  dynamic "statement" {
    for_each = var.aws.kms_key[*].arn

    content {
      sid       = "UseKeyTo${each.value.sid}"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${var.aws.region}.amazonaws.com*"]
      }
    }
  }
}
