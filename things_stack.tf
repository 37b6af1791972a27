# The Things Stack as this stack sees it: its addresses, its AWS account and frequency plans where it is a hosted one, and the secret of
# the application's API key. How they are derived is in modules/things_stack.

module "things_stack" {
  source = "./modules/things_stack"

  application_id          = var.application_id
  cluster_address         = var.cluster_address
  identity_server_address = var.identity_server_address
  ca_certificate          = var.cluster_ca_certificate
  stack_name              = var.stack_name

  api_key = {
    secret_arn = module.api_key.arn
    version    = module.api_key.secret_version
    use        = module.api_key.use
  }
}

module "api_key" {
  source = "./modules/secret"

  name           = var.application_api_key_secret_arn == null ? "${var.stack_name}/ApplicationAPIKey" : null
  description    = "API key of the application in The Things Stack"
  existing_arn   = var.application_api_key_secret_arn
  value          = var.application_api_key
  secret_version = var.application_api_key_version
  use            = { sid = "ReadApiKey", environment_variable = "API_KEY_SECRET_ARN" }
  aws            = local.aws
  tags           = var.tags
}

locals {
  # What is set wins over what is known of the hosted The Things Stack and of the AWS region.
  trusted_account_id = var.trusted_account_id != null ? var.trusted_account_id : module.things_stack.hosted_account_id
  frequency_plan_id  = var.default_frequency_plan_id != null ? var.default_frequency_plan_id : lookup(module.things_stack.frequency_plans, local.aws.region, null)
}
