# Stacks that between them create everything that there is, for the run of names.tftest.hcl. Their names, and those of their devices, collide if
# they are put together carelessly.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

module "stack" {
  source = "../../.."

  for_each = {
    "farm"   = { mode = "webhook", shadow = { min_interval_seconds = 60 }, stream = { queue = { arn = "arn:aws:sqs:eu-west-1:111122223333:records", url = "https://sqs.eu-west-1.amazonaws.com/111122223333/records" } } }
    "farm-b" = { mode = "mqtt", shadow = { delta_f_port = 20 }, stream = {} }
    "Farm"   = { mode = "package", shadow = {}, stream = {} }
  }

  stack_name            = each.key
  cluster_address       = "eu1.cloud.thethings.network"
  application_id        = "farm-app"
  application_api_key   = "NNSXS.KEY.SECRET"
  package               = { filename = "tests/terraform/mocks/account.tfmock.hcl" }
  ingest                = { mode = each.value.mode }
  shadow                = each.value.shadow
  end_to_end_encryption = each.key == "farm"
  observability         = { emails = ["farm@example.com"], silence_minutes = 60 }

  devices = {
    end_old_certificates = {}
    fleet_indexing       = true
    locations            = ["b", "b-devices"]
    own_policy_json      = jsonencode({ Version = "2012-10-17", Statement = [] })
    telemetry            = { stream = each.value.stream }
    types                = { b = {}, b-device = {} }

    provisioning = {
      just_in_time = {
        b-claim = { type = "b", location = "b" }
        b-line  = { type = "b", location = "b" }
        line    = { type = "b", location = "b" }
      }
    }
  }
}
