# The required variables alone: one application of the hosted The Things Stack, connected to AWS IoT Core.

module "thingbridge" {
  source = "../.."

  stack_name          = "farm"
  cluster_address     = "eu1.cloud.thethings.network"
  application_id      = "farm-app"
  application_api_key = var.application_api_key
}
