# Readings of devices with inputs that make a difference, for one run of telemetry.tftest.hcl.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

locals {
  cases = {
    none    = null
    default = {}
    own_topic = {
      notifications = { topic_arn = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call.fifo" }
      stream        = { kinesis = { arn = "arn:aws-us-gov:kinesis:us-gov-west-1:111122223333:stream/readings", name = "readings" } }
      types         = { soil = { fields = { moisture = { levels = [{ name = "DRY", below = 20 }] } }, metrics = "type" } }
    }
    quiet = {
      notifications = { enabled = false }
      stream        = { firehose = { arn = "arn:aws-us-gov:firehose:us-gov-west-1:111122223333:deliverystream/lake", name = "lake" } }
    }
  }
}

module "devices" {
  source   = "../../../modules/devices"
  for_each = local.cases

  stack        = { name = "farm" }
  iot_endpoint = "example-ats.iot.us-gov-west-1.amazonaws.com"
  types        = { temperature = {} }
  telemetry    = each.value
  functions    = { code = { filename = "functions.zip" } }
  things_log   = { environment = { THINGS_LOG_GROUP = "/things" }, policy_json = "{}" }
  aws          = { partition = "aws-us-gov", region = "us-gov-west-1", account_id = "111122223333" }
}
