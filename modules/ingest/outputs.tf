# What The Things Stack is configured with. It waits for what the mode needs, so that a first connection or message finds it; and
# on destroy it is removed before that.

output "authorizer_function_name" {
  description = "Name of the function that says what whoever shows a token may do; null unless webhook.receiver is \"iot_core\"."
  value       = one(module.authorizer[*].name)
}

output "configuration" {
  description = "How The Things Stack delivers, in the form in which the module integration takes its variable ingest."
  value = {
    mode    = local.by_iot_core ? "webhook/iot_core" : var.mode
    package = var.mode == "package" ? var.package : null

    cross_account_role = one([for role in aws_iam_role.things_stack : {
      arn         = role.arn
      external_id = local.external_id
    }])

    iot_core = one([for permission in aws_lambda_permission.authorizer : {
      authorizer_function_arn = module.authorizer[0].arn
      authorizer_name         = local.authorizer_name
      basic_ingest_rule       = var.basic_ingest ? local.rule_name : null
      token_version           = var.webhook.secret_version
      url                     = local.iot_core_url
    }])

    mqtt = one([for policy in aws_iot_policy.mqtt : {
      basic_ingest_rule   = var.basic_ingest ? local.rule_name : null
      ca_certificate      = var.mqtt.ca_certificate
      certificate_version = var.mqtt.certificate_version
      client_id           = local.mqtt_client_id
      policy_name         = policy.name
      server_url          = coalesce(var.mqtt.server_url, "mqtts://${var.iot_endpoint}:8883")
    }])

    webhook = one([for url in aws_lambda_function_url.webhook : {
      secret_arn     = module.webhook_secret[0].arn
      secret_version = module.webhook_secret[0].secret_version
      url            = coalesce(var.webhook.url, url.function_url)
    }])
  }

  depends_on = [
    aws_cloudformation_stack.webhook_permission,
    aws_iam_role_policy.configure_iot_core,
    aws_iam_role_policy.configure_mqtt,
    aws_iam_role_policy.configure_webhook,
    aws_iam_role_policy.messages,
    module.webhook_secret,
  ]
}

output "cross_account_role_arn" {
  description = "ARN of the role that The Things Stack assumes; null for a mode that assumes none."
  value       = one(aws_iam_role.things_stack[*].arn)
  depends_on  = [aws_iam_role_policy.messages]
}

output "external_id" {
  description = "External id that The Things Stack shows when it assumes the role; null when none is required."
  value       = local.external_id
}

output "failures" {
  description = "Queues that hold what failed: none, as The Things Stack sends again what was not accepted."
  value       = {}
}

output "observed" {
  description = "What a dashboard shows of this capability: its title and purpose, its parts, alarms beside theirs, and graphs of its own."
  value = {
    title   = "ingest"
    purpose = "how messages of The Things Stack are received"
    parts   = concat(module.webhook[*].observed, module.authorizer[*].observed)
    alarms  = []
    graphs  = []
  }
}

output "publishes_per_second" {
  description = "How many messages per second AWS IoT takes of The Things Stack: the quota of its one connection, which AWS does not raise. null for a mode that is not limited by one."
  value       = local.by_mqtt ? 100 : null
}

output "webhook_function_name" {
  description = "Name of the function behind the webhook; null for another mode, and for the receiver \"iot_core\"."
  value       = one(module.webhook[*].name)
}

output "webhook_url" {
  description = "URL that The Things Stack posts to, known once it can be called: the function's, or that of AWS IoT Core's data endpoint; null for another mode."
  value       = local.by_iot_core ? local.iot_core_url : one([for url in aws_lambda_function_url.webhook : coalesce(var.webhook.url, url.function_url)])
  depends_on  = [aws_cloudformation_stack.webhook_permission]
}
