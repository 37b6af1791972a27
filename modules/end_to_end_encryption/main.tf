# What end-to-end encryption needs: the key that session keys are wrapped with, the table of sessions and their counters, and the layer with
# the cryptography. The downlinks that only this stack can encrypt again are in requeue.tf; The Things Stack is configured by the module
# integration.

module "key_encryption_key" {
  source = "../secret"

  name           = "${var.stack.name}/AppSKeyKEK"
  description    = "Key with which the Join Server wraps application session keys: AES-128, 32 upper-case hex digits"
  generate       = { hex_digits = 32, upper_case = true }
  secret_version = var.key_encryption_key_version
  use            = { sid = "ReadKeyEncryptionKey", environment_variable = "KEY_ENCRYPTION_KEY_SECRET_ARN" }
  aws            = var.aws
  tags           = var.tags
}

module "sessions" {
  source = "../table"

  name                   = "${var.stack.name}-sessions"
  hash_key               = "device"
  range_key              = "session_key_id"
  point_in_time_recovery = true
  audited_encryption     = true
  use                    = { sid = "KeepSessions", environment_variable = "SESSIONS_TABLE" }
  aws                    = var.aws
  tags                   = var.tags
}

resource "aws_lambda_layer_version" "cryptography" {
  layer_name               = "${var.stack.name}-cryptography"
  description              = "AES and key unwrapping for end-to-end encryption"
  filename                 = var.layer.filename
  source_code_hash         = var.layer.source_code_hash
  compatible_architectures = [var.functions.architecture]
  compatible_runtimes      = [var.functions.runtime]
}

data "aws_iam_policy_document" "messages" {
  source_policy_documents = [module.sessions.use.policy_json, module.key_encryption_key.use.policy_json]
}

data "aws_iam_policy_document" "downlinks" {
  source_policy_documents = [data.aws_iam_policy_document.messages.json]

  # A table that was restored under its name is another one: the counters that were issued since the backup are missing from it.
  statement {
    sid       = "IdentifySessionTable"
    actions   = ["dynamodb:DescribeTable"]
    resources = ["arn:${var.aws.partition}:dynamodb:${var.aws.region}:${var.aws.account_id}:table/${var.stack.name}-sessions"]
  }
}

# Configure sends the key to the Join Server. A policy of its own, as those of the module ingest: the function exists before the key.
resource "aws_iam_role_policy" "configure" {
  name   = "end-to-end-encryption"
  role   = var.configure_role_name
  policy = module.key_encryption_key.use.policy_json
}

locals {
  layer_arns  = [aws_lambda_layer_version.cryptography.arn]
  environment = merge(module.sessions.use.environment, module.key_encryption_key.use.environment)
  messages    = { environment = local.environment, policy_json = data.aws_iam_policy_document.messages.json }
  downlinks   = { environment = local.environment, policy_json = data.aws_iam_policy_document.downlinks.json }
}
