# What the capabilities need.

output "access" {
  description = "The grant of a function that calls The Things Stack wherever it is: the API key, and the certificate of the authority."
  value       = local.access
}

output "application" {
  description = "The application, in the form in which every module takes its variable things_stack."
  value = {
    application_id          = var.application_id
    cluster_address         = local.urls.cluster
    identity_server_address = local.identity_server_url
    api_key = {
      secret_arn = var.api_key.secret_arn
      version    = var.api_key.version
    }
    use = {
      environment = merge(local.access.environment, {
        APPLICATION_ID          = var.application_id
        CLUSTER_ADDRESS         = local.urls.cluster
        IDENTITY_SERVER_ADDRESS = local.identity_server_url
      })
      policy_json = local.access.policy_json
    }
  }
}

output "base_topic" {
  description = "Topic below which The Things Stack publishes."
  value       = local.base_topic
}

output "frequency_plans" {
  description = "AWS region => frequency plan that is usual there. The regions are those of The Things Stack's Pub/Sub integration with AWS IoT."
  value       = local.frequency_plans
}

output "hosted_account_id" {
  description = "AWS account that the hosted The Things Stack acts from; null for any other cluster."
  value       = local.sandbox ? "678672909819" : local.tenant != null ? "097768003349" : null
}
