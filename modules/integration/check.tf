# The first call of an apply: whether the cluster answers, and whether the API key has all rights that the stack needs. Only The Things
# Stack knows, and only a function can ask, as Terraform never sees the key; so this comes before everything that is not needed for it.

locals {
  # What the function reads (thingbridge.flows.check): nothing of what exists only afterwards.
  to_check = var.check == null ? null : jsonencode(merge(local.application, var.check))
}

resource "aws_ssm_parameter" "check" {
  # checkov:skip=CKV2_AWS_34: holds names, addresses and ARNs; secrets are in Secrets Manager

  count = var.check == null ? 0 : 1

  name           = "${var.parameter_path}/wanted/check"
  description    = "Application and rights that are checked before the stack ${var.stack.name} is created or changed"
  type           = "String"
  insecure_value = local.to_check
  tags           = var.tags
}

# Updated in place: if it were replaced, everything that waits for it would have to be destroyed first. A failed update, which the provider
# stores as done, is caught by the integration: it checks as well, and its record does not name what it was not invoked for.
resource "aws_lambda_invocation" "check" {
  count = var.check == null ? 0 : 1

  function_name   = var.configure_function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource      = "check"
    configuration = sha256(local.to_check)
  })

  depends_on = [
    aws_ssm_parameter.check,
    var.secrets_ready,
  ]
}
