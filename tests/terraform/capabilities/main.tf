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

module "upstream" {
  source = "../../../modules/upstream"
  for_each = {
    batched   = { mode = "batched", scheme = "DevEUI", shadow_metrics = true }
    function  = { mode = "function", scheme = "DevEUI", shadow_metrics = true }
    no_shadow = { mode = "rules", scheme = "DevEUI", shadow_metrics = false }
    DevEUI    = { mode = "rules", scheme = "DevEUI", shadow_metrics = true }
    DeviceID  = { mode = "rules", scheme = "DeviceID", shadow_metrics = true }
  }

  stack          = { name = var.stack.name, thing_name_scheme = each.value.scheme }
  mode           = each.value.mode
  shadow_metrics = each.value.shadow_metrics
  batches        = { size = 50, window_seconds = 2, maximum_concurrency = 20 }
  configure      = { function_name = "farm-configure", role_name = "farm-configure" }
  base_topic     = var.base_topic
  iot_endpoint   = "example-ats.iot.eu-west-1.amazonaws.com"
  directory      = { environment = {}, policy_json = "{}" }
  shadow         = { environment = {}, policy_json = "{}" }
  functions      = var.functions
  things_log     = var.things_log
  aws            = var.aws
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
    webhook         = { mode = "webhook", account = null, external_id = null, field = null, receiver = "function" }
    iot_core        = { mode = "webhook", account = null, external_id = null, field = null, receiver = "iot_core" }
    mqtt            = { mode = "mqtt", account = null, external_id = null, field = null, receiver = "function" }
    package         = { mode = "package", account = "123456789012", external_id = null, field = null, receiver = "function" }
    package_with_id = { mode = "package", account = "123456789012", external_id = "mine", field = "external_id", receiver = "function" }
  }

  stack               = var.stack
  mode                = each.value.mode
  trusted_account_id  = each.value.account
  external_id         = each.value.external_id
  package             = { data_fields = { external_id = each.value.field } }
  webhook             = { receiver = each.value.receiver }
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
