# How messages of The Things Stack are received. Each kind has a file of its own and exists in its modes alone: role.tf (pubsub, package,
# manual), webhook.tf and mqtt.tf. The Things Stack is configured by the module integration, with what this module outputs.

locals {
  iot_arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"

  by_role    = contains(["manual", "package", "pubsub"], var.mode)
  by_webhook = var.mode == "webhook"
  by_mqtt    = var.mode == "mqtt"
}
