# What capabilities create and leave out, by their inputs. Terraform starts the provider anew for each run, so a run holds many cases.
# Planned against a mocked account.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  aws       = { partition = "aws-us-gov", region = "us-gov-west-1", account_id = "111122223333" }
  stack     = { name = "farm" }
  functions = { code = { filename = "functions.zip" } }

  base_topic = "thethings/lorawan/farm"
  things_log = { environment = { THINGS_LOG_GROUP = "/things" }, policy_json = "{}" }
  things_stack = {
    application_id          = "farm-app"
    cluster_address         = "https://lorawan.example.com"
    identity_server_address = "https://lorawan.example.com"
    api_key                 = { secret_arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:key-AbCdEf", version = 1 }
    use                     = { environment = { API_KEY_SECRET_ARN = "arn" }, policy_json = "{}" }
  }

  configure_role_name = "farm-configure-us-gov-west-1"
  iot_endpoint        = "example-ats.iot.us-gov-west-1.amazonaws.com"
  trusted_account_id  = "123456789012"
}

run "a_function_takes_environment_and_rights_of_every_grant" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name        = "farm-upstream"
    handler     = "handlers.upstream.handler"
    environment = { STACK_NAME = "farm" }
    policy_json = "{\"Statement\": []}"

    uses = {
      things_log = { environment = { THINGS_LOG_GROUP = "/things" }, policy_json = "{\"Statement\": [1]}" }
      table      = { environment = { TABLE = "farm" }, policy_json = "{\"Statement\": [2]}" }
      none       = null
    }
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ LOG_LEVEL = "INFO", STACK_NAME = "farm", TABLE = "farm", THINGS_LOG_GROUP = "/things" })
    error_message = "got ${jsonencode(aws_lambda_function.this.environment)}"
  }

  assert {
    condition     = toset(data.aws_iam_policy_document.this.source_policy_documents) == toset(["{\"Statement\": []}", "{\"Statement\": [1]}", "{\"Statement\": [2]}"])
    error_message = "got ${jsonencode(data.aws_iam_policy_document.this.source_policy_documents)}"
  }

  assert {
    condition     = output.static_arn == "arn:aws-us-gov:lambda:us-gov-west-1:111122223333:function:farm-upstream"
    error_message = "got ${output.static_arn}"
  }

  # Lambda takes what the functions print for INFO.
  assert {
    condition     = aws_lambda_function.this.logging_config[0].application_log_level == "INFO"
    error_message = "got ${aws_lambda_function.this.logging_config[0].application_log_level}"
  }

  # An invocation that succeeds writes nothing by itself.
  assert {
    condition     = aws_lambda_function.this.logging_config[0].system_log_level == "WARN"
    error_message = "got ${aws_lambda_function.this.logging_config[0].system_log_level}"
  }
}

run "a_capability_creates_what_its_inputs_ask_for" {
  command = plan

  module {
    source = "./tests/terraform/capabilities"
  }

  assert {
    condition     = module.shadow_unpaced.function_name == null && module.shadow_unpaced.queue_url == null && length(module.shadow_unpaced.failures) == 0 && length(module.shadow_unpaced.ready) == 0
    error_message = "min_interval_seconds = 0 creates something"
  }

  assert {
    condition     = keys(module.shadow_unpaced.use.environment) == ["SHADOW"]
    error_message = "got ${jsonencode(keys(module.shadow_unpaced.use.environment))}"
  }

  assert {
    condition     = keys(module.shadow_paced.use.environment) == ["SHADOW", "SHADOW_QUEUE_URL", "SHADOW_STATES_TABLE"]
    error_message = "got ${jsonencode(keys(module.shadow_paced.use.environment))}"
  }

  assert {
    condition     = module.shadow_paced.function_name == "farm-shadow" && keys(module.shadow_paced.failures) == ["shadow_dead_letters"]
    error_message = "a paced shadow has no function or no dead-letter queue"
  }

  # The queue of what failed outlives a change of the mode.
  assert {
    condition     = module.upstream["function"].queue_url == null && length(module.upstream["function"].ready) == 2 && keys(module.upstream["function"].failures) == ["upstream_failures", "waiting_dead_letters"] && length(module.upstream["batched"].ready) == 3 && keys(module.upstream["batched"].failures) == ["upstream_dead_letters", "upstream_failures", "waiting_dead_letters"]
    error_message = "the queue between rule and function exists with mode \"batched\" alone"
  }

  # What these statements do is evaluated by tests/unit/test_uplink_rules.py.
  assert {
    condition     = jsonencode({ for scheme in ["DevEUI", "DeviceID"] : scheme => module.upstream[scheme].rules }) == jsonencode(jsondecode(file("tests/terraform/uplink_rules.json")))
    error_message = "got ${jsonencode({ for scheme in ["DevEUI", "DeviceID"] : scheme => module.upstream[scheme].rules })}"
  }

  assert {
    condition     = keys(module.upstream["no_shadow"].rules) == ["others", "upstream"] && length(module.upstream["no_shadow"].ready) == 3 && length(module.upstream["DevEUI"].ready) == 4 && keys(module.upstream["function"].rules) == ["upstream"]
    error_message = "got ${jsonencode(module.upstream["no_shadow"].rules)}"
  }

  assert {
    condition     = module.registry_alone.sync_function_name == null && module.registry_alone.sync_queue_url == null && length(module.registry_alone.sync_ready) == 0 && keys(module.registry_alone.failures) == ["registry_dead_letters"]
    error_message = "sync.enabled = false creates something"
  }

  assert {
    condition     = length(module.end_to_end_encryption.ready) == 4
    error_message = "three rules and a mapping read returned downlinks; got ${length(module.end_to_end_encryption.ready)}"
  }

  assert {
    condition     = keys(module.end_to_end_encryption.messages.use.environment) == ["KEY_ENCRYPTION_KEY_SECRET_ARN", "SESSIONS_TABLE"]
    error_message = "got ${jsonencode(keys(module.end_to_end_encryption.messages.use.environment))}"
  }

  # Neither the webhook nor the client certificate needs an account and a role.
  assert {
    condition     = module.ingest["webhook"].cross_account_role_arn == null && module.ingest["webhook"].external_id == null && module.ingest["webhook"].webhook_function_name == "farm-webhook"
    error_message = "more or less is created than the webhook needs"
  }

  assert {
    condition     = { for name, value in module.ingest["webhook"].configuration : name => value == null } == { cross_account_role = true, iot_core = true, mode = false, mqtt = true, package = true, webhook = false }
    error_message = "more or less is configured than the webhook needs"
  }

  # AWS IoT Core itself receives: no function has a URL, and no secret is kept.
  assert {
    condition     = { for name, value in module.ingest["iot_core"].configuration : name => value == null } == { cross_account_role = true, iot_core = false, mode = false, mqtt = true, package = true, webhook = true }
    error_message = "more or less is configured than the receiver iot_core needs"
  }

  assert {
    condition     = module.ingest["iot_core"].webhook_function_name == null && module.ingest["iot_core"].webhook_url == "https://example-ats.iot.us-gov-west-1.amazonaws.com" && module.ingest["iot_core"].configuration.iot_core.authorizer_name == "farm-webhook"
    error_message = "got ${jsonencode(module.ingest["iot_core"].configuration)}"
  }

  assert {
    condition     = module.ingest["mqtt"].cross_account_role_arn == null && module.ingest["mqtt"].webhook_url == null
    error_message = "more is created than the client needs"
  }

  # The Things Stack takes no longer client id.
  assert {
    condition     = can(regex("^tts-[0-9a-f]{16}$", module.ingest["mqtt"].configuration.mqtt.client_id)) && module.ingest["mqtt"].configuration.mqtt.server_url == "mqtts://example-ats.iot.us-gov-west-1.amazonaws.com:8883"
    error_message = "got ${jsonencode(module.ingest["mqtt"].configuration.mqtt)}"
  }

  # The hosted package is not known to show an external id.
  assert {
    condition     = module.ingest["package"].external_id == null && module.ingest["package"].configuration.cross_account_role != null
    error_message = "got ${jsonencode(module.ingest["package"].external_id)}"
  }

  assert {
    condition     = module.ingest["package_with_id"].external_id == "mine" && module.ingest["package_with_id"].configuration.package.data_fields.external_id == "external_id"
    error_message = "got ${jsonencode(module.ingest["package_with_id"].external_id)}"
  }

  assert {
    condition     = module.integration.thing_type_name == "lorawan" && module.integration.kek_label == null
    error_message = "got ${module.integration.thing_type_name}"
  }
}

run "pubsub_needs_the_word_that_the_provider_exists" {
  command = plan

  module {
    source = "./modules/ingest"
  }

  variables {
    mode = "pubsub"
  }

  expect_failures = [var.pubsub]
}

run "an_external_id_is_drawn_and_kept" {
  command = apply

  module {
    source = "./modules/ingest"
  }

  variables {
    mode   = "pubsub"
    pubsub = { has_aws_iot_provider = true }
  }

  assert {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", output.external_id))
    error_message = "got ${output.external_id}"
  }
}

run "the_external_id_is_the_same_in_the_next_apply" {
  command = apply

  module {
    source = "./modules/ingest"
  }

  variables {
    mode   = "pubsub"
    pubsub = { has_aws_iot_provider = true }
  }

  assert {
    condition     = output.external_id == run.an_external_id_is_drawn_and_kept.external_id
    error_message = "got ${output.external_id} after ${run.an_external_id_is_drawn_and_kept.external_id}"
  }
}

run "nobody_can_guess_the_name_of_the_role_of_the_package" {
  command = apply

  module {
    source = "./modules/ingest"
  }

  variables {
    mode = "package"
  }

  assert {
    condition     = aws_iam_role.things_stack[0].name == "farm-things-stack-${substr(sha256(terraform_data.external_id.output), 0, 16)}" && output.external_id == null
    error_message = "got ${aws_iam_role.things_stack[0].name}"
  }
}

run "configure_is_invoked_with_what_its_function_reads" {
  command = plan

  module {
    source = "./modules/integration"
  }

  variables {
    configure_function_name = "farm-configure"
    parameter_path          = "/thethings/lorawan/farm/configure"
    thing_type              = {}
    registry_events         = []
    check                   = { mode = "pubsub", end_to_end_encryption = true }
    end_to_end_encryption   = { secret_arn = "arn:kek", version = 2 }
    ingest                  = { mode = "pubsub", cross_account_role = { arn = "arn:role", external_id = "mine" } }
  }

  assert {
    condition = jsondecode(aws_ssm_parameter.wanted["integration"].insecure_value) == {
      mode                    = "pubsub"
      settings                = { external_id = "mine", role_arn = "arn:role" }
      account_id              = "111122223333"
      region                  = "us-gov-west-1"
      stack_name              = "farm"
      cluster_address         = "https://lorawan.example.com"
      identity_server_address = "https://lorawan.example.com"
      application_id          = "farm-app"
      api_key_secret_arn      = var.things_stack.api_key.secret_arn
      api_key_version         = 1
    }
    error_message = "got ${aws_ssm_parameter.wanted["integration"].insecure_value}"
  }

  # The function takes neither an address nor a secret from its caller.
  assert {
    condition = { for name, value in jsondecode(aws_lambda_invocation.this.input) : name => value if name != "attempt" } == {
      resource      = "integration"
      configuration = sha256(aws_ssm_parameter.wanted["integration"].insecure_value)
    }
    error_message = "got ${aws_lambda_invocation.this.input}"
  }

  assert {
    condition = jsondecode(aws_ssm_parameter.check[0].insecure_value) == {
      mode                    = "pubsub"
      end_to_end_encryption   = true
      cluster_address         = "https://lorawan.example.com"
      identity_server_address = "https://lorawan.example.com"
      application_id          = "farm-app"
      api_key_secret_arn      = var.things_stack.api_key.secret_arn
      api_key_version         = 1
    }
    error_message = "got ${aws_ssm_parameter.check[0].insecure_value}"
  }

  assert {
    condition = jsondecode(aws_lambda_invocation.check[0].input) == {
      resource      = "check"
      configuration = sha256(aws_ssm_parameter.check[0].insecure_value)
    }
    error_message = "got ${aws_lambda_invocation.check[0].input}"
  }

  assert {
    condition = jsondecode(aws_lambda_invocation.thing_type[0].input) == {
      resource              = "thing_type"
      thing_type_name       = "lorawan"
      description           = "LoRaWAN end device"
      searchable_attributes = ["devEUI", "stackName", "deviceID"]
    }
    error_message = "got ${aws_lambda_invocation.thing_type[0].input}"
  }

  # A failed update would be stored as done. Nothing of these two is undone, so they have no update: null is the default, CREATE_ONLY.
  assert {
    condition     = coalesce(aws_lambda_invocation.thing_type[0].lifecycle_scope, "CREATE_ONLY") == "CREATE_ONLY" && coalesce(aws_lambda_invocation.registry_events[0].lifecycle_scope, "CREATE_ONLY") == "CREATE_ONLY"
    error_message = "the thing type or registry events are updated in place"
  }

  assert {
    condition     = jsondecode(aws_lambda_invocation.registry_events[0].input) == { resource = "registry_events" }
    error_message = "got ${aws_lambda_invocation.registry_events[0].input}"
  }

  assert {
    condition     = jsondecode(aws_ssm_parameter.wanted["end_to_end_encryption"].insecure_value).key_encryption_key_version == 2 && jsondecode(aws_ssm_parameter.wanted["end_to_end_encryption"].insecure_value).key_encryption_key_secret_arn == "arn:kek"
    error_message = "got ${aws_ssm_parameter.wanted["end_to_end_encryption"].insecure_value}"
  }
}
