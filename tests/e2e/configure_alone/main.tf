# The capabilities configure, ingest and integration, joined as a larger repository would, without the rest of a stack: what an apply
# says about wrong input, and what it configures at The Things Stack, without a queue to wait for. With uplink_mode, there is upstream as
# well, whose function has no directory: what it handles fails.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

variable "application_api_key" {
  type      = string
  ephemeral = true
}

variable "application_api_key_version" {
  type    = number
  default = 1
}

variable "application_id" {
  type = string
}

variable "cluster_address" {
  type = string
}

variable "cluster_ca_certificate" {
  type    = string
  default = null
}

variable "end_to_end_encryption" {
  type    = bool
  default = false
}

variable "external_id" {
  type    = string
  default = null
}

variable "functions" {
  type = object({
    architecture = string
    runtime      = string
  })
}

variable "ingest" {
  type = object({
    mode = optional(string, "webhook")
    mqtt = optional(object({
      ca_certificate      = string
      certificate_version = optional(number, 1)
      server_url          = string
    }))
    webhook = optional(object({
      receiver       = optional(string, "function")
      secret_version = optional(number, 1)
    }), {})
  })
  default = {}
}

variable "stack_name" {
  type = string
}

variable "trusted_account_id" {
  type = string
}

variable "uplink_mode" {
  type    = string
  default = null
}

data "aws_caller_identity" "this" {}

data "aws_iot_endpoint" "this" {
  endpoint_type = "iot:Data-ATS"
}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  aws = {
    partition  = data.aws_partition.this.partition
    region     = data.aws_region.this.id
    account_id = data.aws_caller_identity.this.account_id
  }
  stack     = { name = var.stack_name }
  functions = merge(var.functions, { code = module.package.code })
  by_token  = var.ingest.webhook.receiver == "iot_core"
}

module "package" {
  source = "../../../modules/package"

  name           = var.stack_name
  source_path    = "${path.module}/../../../lambda_src"
  python_version = trimprefix(var.functions.runtime, "python")
  layer          = local.by_token ? { requirements = "requirements-encryption.txt", architecture = var.functions.architecture } : null
}

module "api_key" {
  source = "../../../modules/secret"

  name           = "${var.stack_name}/ApplicationAPIKey"
  value          = var.application_api_key
  secret_version = var.application_api_key_version
  use            = { sid = "ReadApiKey", environment_variable = "API_KEY_SECRET_ARN" }
  aws            = local.aws
}

module "things_stack" {
  source = "../../../modules/things_stack"

  application_id  = var.application_id
  cluster_address = var.cluster_address
  ca_certificate  = var.cluster_ca_certificate
  stack_name      = var.stack_name

  api_key = {
    secret_arn = module.api_key.arn
    version    = module.api_key.secret_version
    use        = module.api_key.use
  }
}

module "configure" {
  source = "../../../modules/configure"

  stack     = local.stack
  functions = local.functions
  layer     = module.package.layer
  aws       = local.aws

  uses = {
    things_stack       = module.things_stack.access
    key_encryption_key = var.end_to_end_encryption ? module.key_encryption_key[0].use : null
  }
}

# Of the module end_to_end_encryption, what The Things Stack is configured with.
module "key_encryption_key" {
  source = "../../../modules/secret"
  count  = var.end_to_end_encryption ? 1 : 0

  name     = "${var.stack_name}/AppSKeyKEK"
  generate = { hex_digits = 32, upper_case = true }
  use      = { sid = "ReadKeyEncryptionKey", environment_variable = "KEY_ENCRYPTION_KEY_SECRET_ARN" }
  aws      = local.aws
}

module "ingest" {
  source = "../../../modules/ingest"

  stack               = local.stack
  mode                = var.ingest.mode
  mqtt                = var.ingest.mqtt == null ? {} : var.ingest.mqtt
  pubsub              = { has_aws_iot_provider = true }
  webhook             = var.ingest.webhook == null ? {} : var.ingest.webhook
  external_id         = var.external_id
  base_topic          = module.things_stack.base_topic
  trusted_account_id  = var.trusted_account_id
  iot_endpoint        = data.aws_iot_endpoint.this.endpoint_address
  configure_role_name = module.configure.role_name
  things_stack        = module.things_stack.application
  functions           = local.functions
  aws                 = local.aws
}

module "upstream" {
  source = "../../../modules/upstream"
  count  = var.uplink_mode == null ? 0 : 1

  stack        = module.integration.stack
  mode         = var.uplink_mode
  configure    = { function_name = module.configure.function_name, role_name = module.configure.role_name }
  base_topic   = module.things_stack.base_topic
  iot_endpoint = data.aws_iot_endpoint.this.endpoint_address
  directory    = { environment = {}, policy_json = "{}" }
  shadow       = { environment = {}, policy_json = "{}" }
  things_log   = { environment = {}, policy_json = "{}" }
  functions    = local.functions
  aws          = local.aws
}

module "integration" {
  source = "../../../modules/integration"

  stack                   = local.stack
  configure_function_name = module.configure.function_name
  parameter_path          = module.configure.parameter_path
  secrets_ready           = concat(module.api_key.ready, flatten(module.key_encryption_key[*].ready))
  check                   = { mode = var.ingest.mode, end_to_end_encryption = var.end_to_end_encryption }
  ingest                  = module.ingest.configuration
  things_stack            = module.things_stack.application
  ready                   = flatten(module.upstream[*].ready)
  aws                     = local.aws

  end_to_end_encryption = (
    var.end_to_end_encryption ? { secret_arn = module.key_encryption_key[0].arn, version = module.key_encryption_key[0].secret_version } : null
  )
}
