# Capabilities with inputs that make a difference, for one run of capabilities.tftest.hcl.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "aws" {
  type = object({ partition = string, region = string, account_id = string })
}

variable "stack" {
  type = object({ name = string })
}

variable "functions" {
  type = object({ code = object({ filename = string }) })
}

variable "base_topic" {
  type = string
}

variable "things_log" {
  type = object({ environment = map(string), policy_json = string })
}

variable "things_stack" {
  type = object({
    application_id          = string
    cluster_address         = string
    identity_server_address = string
    api_key                 = object({ secret_arn = string, version = number })
    use                     = object({ environment = map(string), policy_json = string })
  })
}

module "shadow_unpaced" {
  source = "../../../modules/shadow"

  stack        = var.stack
  iot_endpoint = "example-ats.iot.eu-west-1.amazonaws.com"
  functions    = var.functions
  things_log   = var.things_log
  aws          = var.aws
}

module "shadow_paced" {
  source = "../../../modules/shadow"

  stack        = var.stack
  settings     = { min_interval_seconds = 60 }
  iot_endpoint = "example-ats.iot.eu-west-1.amazonaws.com"
  functions    = var.functions
  things_log   = var.things_log
  aws          = var.aws
}

module "registry_alone" {
  source = "../../../modules/registry"

  stack                     = var.stack
  default_frequency_plan_id = "EU_863_870"
  sync                      = { enabled = false }
  directory                 = { use = { environment = {}, policy_json = "{}" }, upkeep = { environment = {}, policy_json = "{}" } }
  functions                 = var.functions
  things_log                = var.things_log
  things_stack              = var.things_stack
  aws                       = var.aws
}

module "end_to_end_encryption" {
  source = "../../../modules/end_to_end_encryption"

  stack               = var.stack
  base_topic          = var.base_topic
  configure_role_name = "farm-configure"
  layer               = { filename = "layer.zip", source_code_hash = "Xx0=" }
  functions           = var.functions
  things_log          = var.things_log
  things_stack        = var.things_stack
  aws                 = var.aws
}

module "ingest" {
  source = "../../../modules/ingest"
  for_each = {
    webhook         = { mode = "webhook", account = null, external_id = null, field = null }
    mqtt            = { mode = "mqtt", account = null, external_id = null, field = null }
    package         = { mode = "package", account = "123456789012", external_id = null, field = null }
    package_with_id = { mode = "package", account = "123456789012", external_id = "mine", field = "external_id" }
  }

  stack               = var.stack
  mode                = each.value.mode
  trusted_account_id  = each.value.account
  external_id         = each.value.external_id
  package             = { data_fields = { external_id = each.value.field } }
  base_topic          = var.base_topic
  configure_role_name = "farm-configure"
  iot_endpoint        = "example-ats.iot.us-gov-west-1.amazonaws.com"
  functions           = var.functions
  things_stack        = var.things_stack
  aws                 = var.aws
}

module "integration" {
  source = "../../../modules/integration"

  stack                   = var.stack
  configure_function_name = "farm-configure"
  parameter_path          = "/thethings/lorawan/farm/configure"
  ingest                  = { mode = "manual" }
  things_stack            = var.things_stack
  aws                     = var.aws
}
