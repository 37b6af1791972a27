# What the root module passes on and outputs. Planned against a mocked account.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  stack_name          = "farm"
  cluster_address     = "eu1.cloud.thethings.network"
  application_id      = "farm-app"
  application_api_key = "NNSXS.KEY.SECRET"
  package             = { filename = "./tests/terraform/mocks/account.tfmock.hcl" }
}

run "the_region_has_its_usual_frequency_plan" {
  command = plan

  variables {
    create_thing_type      = false
    enable_registry_events = false
    registry_sync          = { enabled = false }
  }

  override_data {
    target = data.aws_region.this
    values = { id = "ap-northeast-2" }
  }

  assert {
    condition     = output.default_frequency_plan_id == "KR_920_923_TTN" && local.trusted_account_id == "678672909819"
    error_message = "got ${output.default_frequency_plan_id}"
  }

  assert {
    condition     = output.thing_type_name == "lorawan" && output.function_names.requeue == null && output.function_names.sync == null && output.queue_urls.requeue == null && output.queue_urls.sync_dead_letters == null && output.queue_urls.shadow == null && output.devices == null && output.queue_urls.telemetry_failures == null
    error_message = "outputs name what does not exist"
  }

  assert {
    condition     = local.message_functions.memory_size == 128 && local.functions.memory_size == 512
    error_message = "got ${local.message_functions.memory_size} and ${local.functions.memory_size}"
  }

  # Without end-to-end encryption there is no key encryption key.
  assert {
    condition     = length(module.end_to_end_encryption) == 0 && module.package.layer == null && length(module.devices) == 0 && output.devices == null
    error_message = "end_to_end_encryption = false creates something"
  }
}

run "basic_ingest_names_the_rule_that_reads_the_messages" {
  command = plan

  variables {
    stack_name = "far-field"
    ingest     = { mode = "mqtt", basic_ingest = true }
  }

  assert {
    condition     = one(flatten(module.upstream.observed.parts[*].rules)) == module.ingest.configuration.mqtt.basic_ingest_rule
    error_message = "got ${jsonencode(module.ingest.configuration.mqtt)} and ${jsonencode(module.upstream.observed.parts)}"
  }
}

run "functions_that_handle_keys_have_more_memory" {
  command = plan

  variables {
    end_to_end_encryption = true
  }

  assert {
    condition     = local.message_functions.memory_size == 256 && local.functions.memory_size == 512
    error_message = "got ${local.message_functions.memory_size} and ${local.functions.memory_size}"
  }
}

run "what_is_set_wins_over_what_is_derived" {
  command = plan

  variables {
    trusted_account_id        = "210987654321"
    external_id               = "mine"
    default_frequency_plan_id = "US_902_928_FSB_2"
    end_to_end_encryption     = true
    ingest                    = { mode = "manual" }
    functions                 = { memory_size = 384 }
    shadow                    = { min_interval_seconds = 60 }
    devices                   = { types = { temperature = {} }, telemetry = {}, provisioning = {}, end_old_certificates = {} }
  }

  # A region without a usual frequency plan: one must be set.
  override_data {
    target = data.aws_region.this
    values = { id = "mx-central-1" }
  }

  assert {
    condition     = local.trusted_account_id == "210987654321" && output.external_id == "mine" && output.default_frequency_plan_id == "US_902_928_FSB_2"
    error_message = "got ${local.trusted_account_id}, ${output.external_id} and ${output.default_frequency_plan_id}"
  }

  assert {
    condition     = endswith(module.package.layer.filename, "-layer.zip")
    error_message = "got ${module.package.layer.filename}"
  }

  assert {
    condition     = local.message_functions.memory_size == 384 && local.functions.memory_size == 384
    error_message = "got ${local.message_functions.memory_size} and ${local.functions.memory_size}"
  }

  assert {
    condition     = values({ for name, function in output.function_names : name => function if function != null }) == ["farm-configure", "farm-devices", "farm-directory", "farm-downlink", "farm-provision", "farm-registry", "farm-requeue", "farm-rotations", "farm-shadow", "farm-sync", "farm-telemetry", "farm-upstream", "farm-waiting"]
    error_message = "got ${jsonencode(output.function_names)}"
  }
}
