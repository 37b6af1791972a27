# What the root module works out by itself: addresses, accounts, frequency plans, names. Planned against a mocked account.

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

run "the_sandbox_has_its_identity_server_in_eu1" {
  command = plan

  variables {
    cluster_address = "nam1.cloud.thethings.network"
  }

  assert {
    condition     = local.cluster_url == "https://nam1.cloud.thethings.network"
    error_message = "got ${local.cluster_url}"
  }

  assert {
    condition     = local.identity_server_url == "https://eu1.cloud.thethings.network"
    error_message = "got ${local.identity_server_url}"
  }

  assert {
    condition     = local.trusted_account_id == "678672909819"
    error_message = "got ${local.trusted_account_id}"
  }
}

run "a_tenant_of_the_cloud_has_its_identity_server_in_eu1" {
  command = plan

  variables {
    cluster_address = "https://Growers.au1.cloud.thethings.industries/"
  }

  assert {
    condition     = local.cluster_url == "https://growers.au1.cloud.thethings.industries"
    error_message = "got ${local.cluster_url}"
  }

  assert {
    condition     = local.identity_server_url == "https://growers.eu1.cloud.thethings.industries"
    error_message = "got ${local.identity_server_url}"
  }

  assert {
    condition     = local.trusted_account_id == "097768003349"
    error_message = "got ${local.trusted_account_id}"
  }
}

run "a_cluster_of_ones_own_is_its_own_identity_server" {
  command = plan

  variables {
    cluster_address    = "lorawan.example.com:8443"
    trusted_account_id = "123456789012"
  }

  assert {
    condition     = local.cluster_url == "https://lorawan.example.com:8443" && local.identity_server_url == local.cluster_url
    error_message = "got ${local.cluster_url} and ${local.identity_server_url}"
  }

  assert {
    condition     = local.trusted_account_id == "123456789012"
    error_message = "got ${local.trusted_account_id}"
  }
}

run "a_cluster_on_this_machine_may_speak_plainly" {
  command = plan

  variables {
    cluster_address         = "http://127.0.0.1:1885"
    identity_server_address = "http://localhost:1886/"
    trusted_account_id      = "123456789012"
  }

  assert {
    condition     = local.cluster_url == "http://127.0.0.1:1885" && local.identity_server_url == "http://localhost:1886"
    error_message = "got ${local.cluster_url} and ${local.identity_server_url}"
  }
}

run "what_is_said_wins_over_what_is_derived" {
  command = plan

  variables {
    identity_server_address   = "identity.example.com"
    trusted_account_id        = "210987654321"
    external_id               = "mine"
    default_frequency_plan_id = "EU_863_870"
  }

  assert {
    condition     = local.identity_server_url == "https://identity.example.com"
    error_message = "got ${local.identity_server_url}"
  }

  assert {
    condition     = local.trusted_account_id == "210987654321"
    error_message = "got ${local.trusted_account_id}"
  }

  assert {
    condition     = output.external_id == "mine"
    error_message = "got ${output.external_id}"
  }

  assert {
    condition     = output.default_frequency_plan_id == "EU_863_870"
    error_message = "got ${output.default_frequency_plan_id}"
  }
}

run "the_region_has_its_usual_frequency_plan" {
  command = plan

  override_data {
    target = data.aws_region.this
    values = { id = "ap-northeast-2" }
  }

  assert {
    condition     = output.default_frequency_plan_id == "KR_920_923_TTN"
    error_message = "got ${output.default_frequency_plan_id}"
  }
}

run "a_region_without_usual_plan_is_an_error_that_says_so" {
  command = plan

  override_data {
    target = data.aws_region.this
    values = { id = "mx-central-1" }
  }

  expect_failures = [var.default_frequency_plan_id, var.ingest]
}

run "a_region_without_usual_plan_takes_one_that_is_said" {
  command = plan

  variables {
    default_frequency_plan_id = "US_902_928_FSB_2"
    ingest                    = { mode = "manual" }
  }

  override_data {
    target = data.aws_region.this
    values = { id = "mx-central-1" }
  }

  assert {
    condition     = output.default_frequency_plan_id == "US_902_928_FSB_2"
    error_message = "got ${output.default_frequency_plan_id}"
  }
}

run "arns_are_of_the_partition" {
  command = plan

  override_data {
    target = data.aws_partition.this
    values = { partition = "aws-us-gov" }
  }

  assert {
    condition     = startswith(module.upstream.static_arn, "arn:aws-us-gov:lambda:eu-west-1:111122223333:")
    error_message = "got ${module.upstream.static_arn}"
  }
}

run "somebody_elses_thing_type_and_events_are_left_alone" {
  command = plan

  variables {
    create_thing_type      = false
    enable_registry_events = false
  }

  assert {
    condition     = length(module.thing_type) == 0 && length(module.registry_events) == 0
    error_message = "thing type: ${length(module.thing_type)}, registry events: ${length(module.registry_events)}"
  }

  assert {
    condition     = output.thing_type_name == "lorawan"
    error_message = "got ${output.thing_type_name}"
  }
}

run "an_external_id_is_drawn_and_kept" {
  command = apply

  assert {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", output.external_id))
    error_message = "got ${output.external_id}"
  }
}

run "the_external_id_is_the_same_in_the_next_apply" {
  command = apply

  assert {
    condition     = output.external_id == run.an_external_id_is_drawn_and_kept.external_id
    error_message = "got ${output.external_id} after ${run.an_external_id_is_drawn_and_kept.external_id}"
  }
}

run "without_synchronisation_nothing_of_it_is_made" {
  command = plan

  variables {
    registry_sync = { enabled = false }
  }

  assert {
    condition     = length(module.registry_sync) == 0 && length(module.sync) == 0
    error_message = "registry_sync.enabled = false makes something"
  }

  assert {
    condition     = output.function_names.sync == null && output.queue_urls.sync == null
    error_message = "names of what is not made"
  }
}

run "without_encryption_nothing_of_it_is_made" {
  command = plan

  assert {
    condition     = length(module.end_to_end_encryption) == 0 && length(module.requeue) == 0 && length(module.requeue_rules) == 0 && module.package.layer == null
    error_message = "end_to_end_encryption = false makes something"
  }

  assert {
    condition     = output.function_names.requeue == null && output.queue_urls.requeue == null
    error_message = "names of what is not made"
  }
}

run "with_encryption_its_rules_take_what_the_things_stack_gives_back" {
  command = plan

  variables {
    end_to_end_encryption = true
  }

  assert {
    condition     = toset(keys(module.requeue_rules)) == toset(["evicted", "join", "nack"])
    error_message = "got ${jsonencode(keys(module.requeue_rules))}"
  }

  assert {
    condition     = endswith(module.package.layer.filename, "-layer.zip")
    error_message = "got ${module.package.layer.filename}"
  }
}

run "a_webhook_needs_no_account_and_no_role" {
  command = plan

  variables {
    cluster_address = "lorawan.example.com"
    ingest          = { mode = "webhook", webhook = { reserved_concurrency = 5 } }
  }

  assert {
    condition     = length(module.things_stack_role) == 0 && length(module.mqtt_client) == 0 && length(module.webhook) == 1
    error_message = "more or less is made than the webhook needs"
  }

  assert {
    condition     = output.cross_account_role_arn == null && output.external_id == null && output.function_names.webhook == "farm-webhook"
    error_message = "outputs name what is not made"
  }
}

run "a_client_certificate_needs_no_account_and_no_role" {
  command = plan

  variables {
    cluster_address = "lorawan.example.com"
    ingest          = { mode = "mqtt" }
  }

  assert {
    condition     = length(module.things_stack_role) == 0 && length(module.mqtt_client) == 1 && length(module.webhook) == 0
    error_message = "more or less is made than the client needs"
  }

  # The Things Stack takes no longer client id.
  assert {
    condition     = can(regex("^tts-[0-9a-f]{16}$", local.mqtt_client_id)) && output.webhook_url == null
    error_message = "got ${local.mqtt_client_id}"
  }
}

run "the_package_is_asked_for_no_external_id" {
  command = plan

  variables {
    ingest = { mode = "package" }
  }

  assert {
    condition     = length(module.things_stack_role) == 1 && output.external_id == null
    error_message = "got ${jsonencode(output.external_id)}"
  }
}

run "the_package_is_asked_for_the_external_id_that_is_given" {
  command = plan

  variables {
    external_id = "mine"
    ingest      = { mode = "package", package = { data_fields = { external_id = "external_id" } } }
  }

  assert {
    condition     = output.external_id == "mine"
    error_message = "got ${jsonencode(output.external_id)}"
  }
}
