# The capability devices with readings, joined as a larger repository would, without the rest of a stack: records and alerts are also in
# queues, which a test can read.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

variable "functions" {
  type = object({
    architecture = string
    runtime      = string
  })
}

variable "stack_name" {
  type = string
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  aws = {
    partition  = data.aws_partition.this.partition
    region     = data.aws_region.this.id
    account_id = data.aws_caller_identity.this.account_id
  }
}

module "package" {
  source = "../../../modules/package"

  name           = var.stack_name
  source_path    = "${path.module}/../../../lambda_src"
  python_version = trimprefix(var.functions.runtime, "python")
}

module "things_log" {
  source = "../../../modules/log_group"

  name = "/thethings/lorawan/${var.stack_name}/things"
  use  = { sid = "WriteThingsLog", environment_variable = "THINGS_LOG_GROUP" }
  aws  = local.aws
}

module "devices" {
  source = "../../../modules/devices"

  stack      = { name = var.stack_name }
  telemetry  = { settings_seconds = 0, stream = { queue = { arn = aws_sqs_queue.records.arn, url = aws_sqs_queue.records.url } } }
  functions  = merge(var.functions, { code = module.package.code })
  things_log = module.things_log.use
  aws        = local.aws
}

resource "aws_sqs_queue" "records" {
  name = "${var.stack_name}-records"
}

resource "aws_sqs_queue" "alerts" {
  name = "${var.stack_name}-alerts"
}

data "aws_iam_policy_document" "alerts" {
  statement {
    sid       = "ReceiveAlerts"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.alerts.arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [module.devices.alert_topic_arn]
    }
  }
}

resource "aws_sqs_queue_policy" "alerts" {
  queue_url = aws_sqs_queue.alerts.url
  policy    = data.aws_iam_policy_document.alerts.json
}

resource "aws_sns_topic_subscription" "alerts" {
  topic_arn = module.devices.alert_topic_arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.alerts.arn

  depends_on = [aws_sqs_queue_policy.alerts]
}

output "alerts_url" {
  value = aws_sqs_queue.alerts.url
}

output "records_url" {
  value = aws_sqs_queue.records.url
}

output "failures" {
  value = module.devices.failures
}
