# The log a person opens first when a device did not appear: one stream per thing. The functions' own logs are not here.

resource "aws_cloudwatch_log_group" "this" {
  name              = "/thethings/lorawan/${var.stack_name}/things"
  retention_in_days = var.retention_in_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}
