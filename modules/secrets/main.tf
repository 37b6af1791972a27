# The two secrets of a stack. Both values go in by write-only arguments: neither is ever in a plan or a state.

resource "aws_secretsmanager_secret" "api_key" {
  count = var.api_key_secret_arn == null ? 1 : 0

  name                    = "${var.stack_name}/ApplicationAPIKey"
  description             = "API key of the application in The Things Stack"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "api_key" {
  count = var.api_key_secret_arn == null ? 1 : 0

  secret_id                = aws_secretsmanager_secret.api_key[0].id
  secret_string_wo         = var.api_key
  secret_string_wo_version = var.api_key_version
}

resource "aws_secretsmanager_secret" "key_encryption_key" {
  name                    = "${var.stack_name}/AppSKeyKEK"
  description             = "Key with which the Join Server wraps application session keys: AES-128, 32 upper-case hex digits"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags
}

# Written when the version is new, and drawn for that write alone. uuid() takes its bits from the system's cryptographic source;
# two give more than the 128 that are kept. An ephemeral resource could draw them too, but it asks AWS in every plan, and
# Terraform can't mock it: with one in here nobody could `terraform test` with a mocked provider what uses this module.
resource "aws_secretsmanager_secret_version" "key_encryption_key" {
  secret_id                = aws_secretsmanager_secret.key_encryption_key.id
  secret_string_wo         = upper(substr(sha256("${uuid()}${uuid()}"), 0, 32))
  secret_string_wo_version = var.key_encryption_key_version
}
