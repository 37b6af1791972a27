# How messages of The Things Stack are received. Each kind has a file of its own and exists in its modes alone: role.tf (pubsub, package,
# manual), webhook.tf and iot_core.tf (the two receivers of webhooks), and mqtt.tf. The Things Stack is configured by the module
# integration, with what this module outputs.

locals {
  iot_arn = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"

  by_role     = contains(["manual", "package", "pubsub"], var.mode)
  by_webhook  = var.mode == "webhook" && var.webhook.receiver == "function"
  by_iot_core = var.mode == "webhook" && var.webhook.receiver == "iot_core"
  by_mqtt     = var.mode == "mqtt"

  # Basic Ingest names the rule that a message starts: that of the module upstream, by its name, as what is here must not wait for it.
  rule_name = replace("${var.stack.name}-upstream", "-", "_")

  # Where messages may be published: with and without Basic Ingest, so that no message is refused while The Things Stack changes over.
  topic_arns = ["${local.iot_arn}:topic/${var.base_topic}/*", "${local.iot_arn}:topic/$aws/rules/${local.rule_name}/${var.base_topic}/*"]
}
