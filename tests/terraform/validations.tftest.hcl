# What the root module refuses. A run breaks one rule of each variable it lists, and every one of them must fail.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  stack_name          = "farm"
  cluster_address     = "eu1.cloud.thethings.network"
  application_id      = "farm-app"
  application_api_key = "NNSXS.KEY.SECRET"
  trusted_account_id  = "123456789012"
  package             = { filename = "./tests/terraform/mocks/account.tfmock.hcl" }
}

run "what_breaks_a_grammar_is_refused" {
  command = plan

  variables {
    stack_name                  = "1farm"
    cluster_address             = "https://eu1.cloud.thethings.network/console"
    identity_server_address     = "https://identity.example.com/api/v3"
    application_id              = "Farm"
    application_api_key         = "NNSXS.KEY.SECRET\n"
    application_api_key_version = 1.5
    thing_type_name             = "lorawan device"
    external_id                 = "a b"
    default_frequency_plan_id   = "eu868"
  }

  expect_failures = [
    var.stack_name,
    var.cluster_address,
    var.identity_server_address,
    var.application_id,
    var.application_api_key,
    var.application_api_key_version,
    var.thing_type_name,
    var.external_id,
    var.default_frequency_plan_id,
  ]
}

run "what_is_too_long_is_refused" {
  command = plan

  variables {
    stack_name      = "a123456789-123456789-123456789-1234567890"
    application_id  = "a123456789-123456789-123456789-1234567"
    thing_type_name = join("", [for i in range(129) : "x"])
    external_id     = join("", [for i in range(613) : "xx"])
    functions       = { memory_size = 10241 }
  }

  expect_failures = [var.stack_name, var.application_id, var.thing_type_name, var.external_id, var.functions]
}

run "what_is_too_short_is_refused" {
  command = plan

  variables {
    stack_name                  = ""
    cluster_address             = ""
    application_id              = "ab"
    application_api_key         = ""
    application_api_key_version = 0
    thing_type_name             = ""
    external_id                 = "x"
    functions                   = { memory_size = 64 }
    package                     = {}
  }

  expect_failures = [
    var.stack_name,
    var.cluster_address,
    var.application_id,
    var.application_api_key,
    var.application_api_key_version,
    var.thing_type_name,
    var.external_id,
    var.functions,
    var.package,
  ]
}

run "what_is_no_choice_is_refused" {
  command = plan

  variables {
    ingest            = { mode = "nats" }
    thing_name_scheme = "devEUI"
    on_thing_deleted  = "keep"
    functions         = { architecture = "riscv" }
    package           = { filename = "functions.zip", s3 = { bucket = "b", key = "k" } }
  }

  expect_failures = [var.ingest, var.thing_name_scheme, var.on_thing_deleted, var.functions, var.package]
}

run "a_level_that_lambda_does_not_know_is_refused" {
  command = plan

  variables {
    functions = { log_level = "WARNING" }
  }

  expect_failures = [var.functions]
}

run "a_python_that_does_not_run_the_code_is_refused" {
  command = plan

  variables {
    functions = { runtime = "python3.9" }
  }

  expect_failures = [var.functions]
}

run "a_key_is_not_sent_in_clear" {
  command = plan

  variables {
    cluster_address         = "http://eu1.cloud.thethings.network"
    identity_server_address = "http://localhost.example.com"
  }

  expect_failures = [var.cluster_address, var.identity_server_address]
}

run "an_address_of_the_cloud_without_a_tenant_is_refused" {
  command = plan

  variables {
    cluster_address = "eu1.cloud.thethings.industries"
  }

  expect_failures = [var.cluster_address]
}

run "an_account_has_twelve_digits" {
  command = plan

  variables {
    trusted_account_id = "1234"
  }

  expect_failures = [var.trusted_account_id]
}

run "a_cluster_of_ones_own_needs_its_account" {
  command = plan

  variables {
    cluster_address    = "lorawan.example.com"
    trusted_account_id = null
  }

  expect_failures = [var.trusted_account_id]
}

run "a_key_is_not_given_twice" {
  command = plan

  variables {
    application_api_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf"
  }

  expect_failures = [var.application_api_key]
}

run "a_key_is_given_at_all" {
  command = plan

  variables {
    application_api_key = null
  }

  expect_failures = [var.application_api_key]
}

run "a_secret_is_given_by_its_arn" {
  command = plan

  variables {
    application_api_key            = null
    application_api_key_secret_arn = "farm/key"
  }

  expect_failures = [var.application_api_key_secret_arn]
}

run "a_synchronisation_has_a_known_mode_and_a_schedule" {
  command = plan

  variables {
    registry_sync = { mode = "dry-run", schedule = "10 minutes" }
  }

  expect_failures = [var.registry_sync]
}

run "a_shadow_waits_no_longer_than_a_queue_holds_back" {
  command = plan

  variables {
    shadow = { min_interval_seconds = 901 }
  }

  expect_failures = [var.shadow]
}

run "a_shadow_waits_whole_seconds" {
  command = plan

  variables {
    shadow = { min_interval_seconds = 1.5 }
  }

  expect_failures = [var.shadow]
}

run "a_shadow_that_waits_has_something_to_write" {
  command = plan

  variables {
    shadow = { min_interval_seconds = 60, metrics = false }
  }

  expect_failures = [var.shadow]
}

run "desired_states_go_to_an_f_port_of_applications" {
  command = plan

  variables {
    shadow = { delta_f_port = 224 }
  }

  expect_failures = [var.shadow]
}

run "f_port_0_is_the_networks" {
  command = plan

  variables {
    shadow = { delta_f_port = 0 }
  }

  expect_failures = [var.shadow]
}

run "desired_states_can_not_be_encoded_under_encryption" {
  command = plan

  variables {
    shadow                = { delta_f_port = 10 }
    end_to_end_encryption = true
  }

  expect_failures = [var.shadow]
}

run "codecs_are_python_files_and_not_beside_a_prebuilt_zip" {
  command = plan

  variables {
    codecs = { source_path = "./modules/package/nowhere" }
  }

  expect_failures = [var.codecs]
}

run "a_way_in_is_told_what_it_can_use" {
  command = plan

  variables {
    ingest = { mode = "mqtt", mqtt = { server_url = "mqtt://broker.example.com:1883" } }
  }

  expect_failures = [var.ingest]
}

run "a_certificate_authority_is_given_as_pem" {
  command = plan

  variables {
    ingest = { mode = "mqtt", mqtt = { ca_certificate = "ca.pem" } }
  }

  expect_failures = [var.ingest]
}

run "versions_of_a_way_in_count_from_one" {
  command = plan

  variables {
    ingest = { webhook = { secret_version = 0 } }
  }

  expect_failures = [var.ingest]
}

run "a_package_has_an_f_port" {
  command = plan

  variables {
    ingest = { mode = "package", package = { f_port = 0 } }
  }

  expect_failures = [var.ingest]
}

run "the_values_of_a_package_have_fields_of_their_own" {
  command = plan

  variables {
    ingest = { mode = "package", package = { data_fields = { region = "name", stack_name = "name" } } }
  }

  expect_failures = [var.ingest]
}

run "a_package_is_asked_for_an_external_id_only_when_it_is_told_one" {
  command = plan

  variables {
    external_id = "farm-7f3a9c"
    ingest      = { mode = "package" }
  }

  expect_failures = [var.ingest]
}

run "no_call_at_all_is_no_limit" {
  command = plan

  variables {
    ingest = { mode = "webhook", webhook = { reserved_concurrency = 0 } }
  }

  expect_failures = [var.ingest]
}
