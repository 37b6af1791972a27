# What end-to-end encryption needs beside the functions: the table of sessions, the layer with the cryptography, and The Things
# Stack told to wrap session keys and to leave payloads alone. Secret, functions and their rights are not made here.

locals {
  # Computed: the functions' rights name the table before it is there.
  table_arn = "arn:${var.aws.partition}:dynamodb:${var.aws.region}:${var.aws.account_id}:table/${local.table_name}"

  table_name = "${var.stack_name}-sessions"
}

resource "aws_dynamodb_table" "sessions" {
  name         = local.table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "device"
  range_key    = "session_key_id"

  attribute {
    name = "device"
    type = "S"
  }

  attribute {
    name = "session_key_id"
    type = "S"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  tags = var.tags
}

resource "aws_lambda_layer_version" "cryptography" {
  layer_name               = "${var.stack_name}-cryptography"
  description              = "AES and key unwrapping for end-to-end encryption"
  filename                 = var.layer.code.filename
  source_code_hash         = var.layer.code.source_code_hash
  compatible_architectures = [var.layer.architecture]
  compatible_runtimes      = [var.layer.runtime]
}

resource "aws_lambda_invocation" "this" {
  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  # The input is kept in the state: it names secrets and their versions, and holds no key.
  input = jsonencode({
    resource                      = "end_to_end_encryption"
    stack_name                    = var.stack_name
    cluster_address               = var.cluster_address
    identity_server_address       = var.identity_server_address
    application_id                = var.application_id
    api_key_secret_arn            = var.api_key_secret.arn
    api_key_version               = var.api_key_secret.version
    key_encryption_key_secret_arn = var.key_encryption_key_secret.arn
    key_encryption_key_version    = var.key_encryption_key_secret.version
  })

  # The first session that begins encrypted must find its place.
  depends_on = [aws_dynamodb_table.sessions]
}
