# Alarms, their actions and the dashboard with inputs that make a difference, for one run of alarms.tftest.hcl.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

locals {
  aws        = { partition = "aws-us-gov", region = "us-gov-west-1", account_id = "111122223333" }
  stack      = { name = "farm" }
  functions  = { code = { filename = "functions.zip" } }
  things_log = { environment = { THINGS_LOG_GROUP = "/things" }, policy_json = "{}" }
  alarms     = { actions = ["arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"], runbook = "https://wiki.example.com/farm" }
  things_stack = {
    application_id          = "farm-app"
    cluster_address         = "https://lorawan.example.com"
    identity_server_address = "https://lorawan.example.com"
    api_key                 = { secret_arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:key-AbCdEf", version = 1 }
    use                     = { environment = { API_KEY_SECRET_ARN = "arn" }, policy_json = "{}" }
  }
}

module "observability" {
  source = "../../../modules/observability"
  for_each = {
    none    = null
    default = {}
    actions = { alarm_actions = ["arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"], dashboard = false, notify_when_over = true }
    both    = { alarm_actions = ["arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"], emails = ["a@example.com"] }
  }

  stack    = local.stack
  settings = each.value
  observed = [module.registry.observed, module.shadow.observed, module.devices["all"].observed]
  aws      = local.aws
}

module "upstream" {
  source = "../../../modules/upstream"
  for_each = {
    none    = { alarms = null, mode = "batched", silence_minutes = 30, publishes_per_second = 100 }
    default = { alarms = local.alarms, mode = "function", silence_minutes = null, publishes_per_second = null }
    all     = { alarms = local.alarms, mode = "batched", silence_minutes = 30, publishes_per_second = 100 }
  }

  stack                = local.stack
  mode                 = each.value.mode
  base_topic           = "thethings/lorawan/farm"
  iot_endpoint         = "example-ats.iot.eu-west-1.amazonaws.com"
  directory            = { environment = {}, policy_json = "{}" }
  shadow               = { environment = {}, policy_json = "{}" }
  silence_minutes      = each.value.silence_minutes
  publishes_per_second = each.value.publishes_per_second
  alarms               = each.value.alarms
  functions            = local.functions
  things_log           = local.things_log
  aws                  = local.aws
}

# Nothing is to be seen of it.
module "shadow" {
  source = "../../../modules/shadow"

  stack        = local.stack
  iot_endpoint = "example-ats.iot.eu-west-1.amazonaws.com"
  alarms       = local.alarms
  functions    = local.functions
  things_log   = local.things_log
  aws          = local.aws
}

module "downlink" {
  source = "../../../modules/downlink"
  for_each = {
    none = { alarms = null, maximum_age_seconds = 3600 }
    all  = { alarms = local.alarms, maximum_age_seconds = 600 }
  }

  stack        = local.stack
  settings     = { maximum_age_seconds = each.value.maximum_age_seconds }
  iot_endpoint = "example-ats.iot.us-gov-west-1.amazonaws.com"
  alarms       = each.value.alarms
  functions    = local.functions
  things_log   = local.things_log
  things_stack = local.things_stack
  aws          = local.aws
}

module "registry" {
  source = "../../../modules/registry"

  stack                     = local.stack
  default_frequency_plan_id = "EU_863_870"
  silence                   = { minutes = 1440, tolerated = 3 }
  releases_url              = "https://example.com/releases/latest"
  directory                 = { use = { environment = {}, policy_json = "{}" }, upkeep = { environment = {}, policy_json = "{}" } }
  alarms                    = local.alarms
  functions                 = local.functions
  things_log                = local.things_log
  things_stack              = local.things_stack
  aws                       = local.aws
}

module "devices" {
  source = "../../../modules/devices"
  for_each = {
    none = { telemetry = null, provisioning = null }
    all  = { telemetry = { stream = { firehose = { arn = "arn:aws-us-gov:firehose:us-gov-west-1:111122223333:deliverystream/lake", name = "lake" } } }, provisioning = {} }
  }

  stack        = local.stack
  iot_endpoint = "example-ats.iot.us-gov-west-1.amazonaws.com"
  types        = { temperature = {} }
  telemetry    = each.value.telemetry
  provisioning = each.value.provisioning
  alarms       = local.alarms
  functions    = local.functions
  things_log   = local.things_log
  aws          = local.aws
}
