# What the modules refuse when they are used alone. A run breaks one rule of each variable it lists, and every one must fail.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  aws = { partition = "aws", region = "eu-west-1", account_id = "111122223333" }
}

run "a_function_refuses_what_lambda_does_not_have" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    handler                 = "handlers.upstream.handler"
    architecture            = "riscv"
    log_level               = "WARNING"
    log_retention_in_days   = 2
    memory_size             = 10241
    name                    = "a b"
    reserved_concurrency    = 0
    runtime                 = "nodejs22.x"
    timeout                 = 901
    description             = join("", [for i in range(257) : "x"])
    code                    = { s3_bucket = "b" }
    asynchronous_invocation = { maximum_event_age_in_seconds = 30 }
  }

  expect_failures = [
    var.architecture,
    var.log_level,
    var.log_retention_in_days,
    var.memory_size,
    var.name,
    var.reserved_concurrency,
    var.runtime,
    var.timeout,
    var.description,
    var.code,
    var.asynchronous_invocation,
  ]
}

run "a_function_takes_one_zip" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name                    = "farm-upstream"
    handler                 = "handlers.upstream.handler"
    code                    = { filename = "functions.zip", s3_bucket = "b", s3_key = "k" }
    asynchronous_invocation = { maximum_retry_attempts = 3 }
  }

  expect_failures = [var.code, var.asynchronous_invocation]
}

run "a_function_keeps_failures_no_longer_than_sqs" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name                    = "farm-upstream"
    handler                 = "handlers.upstream.handler"
    code                    = { filename = "functions.zip" }
    asynchronous_invocation = { failure_retention_in_days = 15 }
  }

  expect_failures = [var.asynchronous_invocation]
}

run "an_integration_takes_urls_and_known_modes" {
  command = plan

  module {
    source = "./modules/integration"
  }

  variables {
    configure_function_name = "farm-configure"
    application_id          = "farm-app"
    stack_name              = "farm"
    api_key_secret          = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf", version = 1 }
    cross_account_role      = { arn = "arn:aws:iam::111122223333:role/farm-things-stack" }
    cluster_address         = "eu1.cloud.thethings.network"
    identity_server_address = "https://identity.example.com/api/v3"
    mode                    = "nats"
  }

  expect_failures = [var.cluster_address, var.identity_server_address, var.mode]
}

run "an_integration_is_told_what_its_mode_needs" {
  command = plan

  module {
    source = "./modules/integration"
  }

  variables {
    configure_function_name = "farm-configure"
    application_id          = "farm-app"
    stack_name              = "farm"
    api_key_secret          = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf", version = 1 }
    cluster_address         = "https://eu1.cloud.thethings.network"
    identity_server_address = "https://eu1.cloud.thethings.network"
    mode                    = "package"
    mqtt                    = { client_id = "a-client-id-of-24-letters", policy_name = "p", server_url = "mqtts://x:8883" }
  }

  expect_failures = [var.cross_account_role, var.mqtt, var.package]
}

run "an_integration_by_webhook_names_its_url" {
  command = plan

  module {
    source = "./modules/integration"
  }

  variables {
    configure_function_name = "farm-configure"
    application_id          = "farm-app"
    stack_name              = "farm"
    api_key_secret          = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf", version = 1 }
    cluster_address         = "https://eu1.cloud.thethings.network"
    identity_server_address = "https://eu1.cloud.thethings.network"
    mode                    = "webhook"
  }

  expect_failures = [var.webhook]
}

run "an_mqtt_client_has_one_id_and_one_topic" {
  command = plan

  module {
    source = "./modules/mqtt_client"
  }

  variables {
    name             = "farm things stack"
    base_topic       = "thethings/lorawan/#"
    client_id        = "*"
    keeper_role_name = "farm-configure"
  }

  expect_failures = [var.name, var.base_topic, var.client_id]
}

run "a_webhook_counts_its_secrets" {
  command = plan

  module {
    source = "./modules/webhook"
  }

  variables {
    function                = { name = "farm-webhook", arn = "arn:aws:lambda:eu-west-1:111122223333:function:farm-webhook" }
    secret_name             = "farm/WebhookSecret"
    secret_version          = 0
    recovery_window_in_days = 3
  }

  expect_failures = [var.secret_version, var.recovery_window_in_days]
}

run "a_package_is_a_file_or_an_object" {
  command = plan

  module {
    source = "./modules/package"
  }

  variables {
    source_path    = "./lambda_src"
    name           = "a/b"
    prebuilt       = {}
    python_version = "python3.13"
  }

  expect_failures = [var.name, var.prebuilt, var.python_version]
}

run "a_prebuilt_zip_is_there" {
  command = plan

  module {
    source = "./modules/package"
  }

  variables {
    name        = "farm"
    source_path = "./lambda_src"
    prebuilt    = { filename = "no-such.zip" }
  }

  expect_failures = [var.prebuilt]
}

run "sources_come_with_requirements" {
  command = plan

  module {
    source = "./modules/package"
  }

  variables {
    name        = "farm"
    source_path = "./tests/terraform/mocks"
  }

  expect_failures = [terraform_data.this]
}

run "secrets_refuse_what_secrets_manager_does_not_have" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    api_key                    = " NNSXS.KEY.SECRET"
    api_key_version            = 0
    key_encryption_key_version = 0.5
    recovery_window_in_days    = 3
    stack_name                 = "my/farm"
  }

  expect_failures = [
    var.api_key,
    var.api_key_version,
    var.key_encryption_key_version,
    var.recovery_window_in_days,
    var.stack_name,
  ]
}

run "the_key_comes_from_one_place" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    stack_name         = "farm"
    api_key            = "NNSXS.KEY.SECRET"
    api_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf"
  }

  expect_failures = [var.api_key]
}

run "a_secret_is_given_by_its_arn_to_the_module_too" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    stack_name         = "farm"
    api_key            = null
    api_key_secret_arn = "farm/key"
  }

  expect_failures = [var.api_key_secret_arn]
}

run "a_thing_type_refuses_what_aws_iot_refuses" {
  command = plan

  module {
    source = "./modules/thing_type"
  }

  variables {
    configure_function_name = "farm-configure"
    name                    = "a b"
    description             = "Gerät"
    searchable_attributes   = ["dev EUI"]
  }

  expect_failures = [var.name, var.description, var.searchable_attributes]
}

run "a_thing_type_has_three_searchable_attributes_at_most" {
  command = plan

  module {
    source = "./modules/thing_type"
  }

  variables {
    configure_function_name = "farm-configure"
    name                    = "lorawan"
    description             = join("", [for i in range(1015) : "xx"])
    searchable_attributes   = ["a", "b", "c", "d"]
  }

  expect_failures = [var.description, var.searchable_attributes]
}

run "a_log_is_kept_for_a_time_that_there_is" {
  command = plan

  module {
    source = "./modules/things_log"
  }

  variables {
    retention_in_days = 100
    stack_name        = "my farm"
  }

  expect_failures = [var.retention_in_days, var.stack_name]
}

run "a_role_refuses_what_iam_refuses" {
  command = plan

  module {
    source = "./modules/things_stack_role"
  }

  variables {
    client_id_pattern  = "a b"
    external_id        = "x"
    stack_name         = "a123456789-123456789-123456789-123456789-12345678901"
    trusted_account_id = "root"
  }

  expect_failures = [var.client_id_pattern, var.external_id, var.stack_name, var.trusted_account_id]
}

run "a_rule_has_an_action" {
  command = plan

  module {
    source = "./modules/topic_rule"
  }

  variables {
    sql         = "SELECT * FROM 'a'"
    error_queue = { arn = "arn:aws:sqs:eu-west-1:111122223333:farm", url = "https://sqs.eu-west-1.amazonaws.com/111122223333/farm" }
    action      = {}
    name        = "farm-upstream"
  }

  expect_failures = [var.action, var.name]
}

run "a_rule_has_only_one_action" {
  command = plan

  module {
    source = "./modules/topic_rule"
  }

  variables {
    sql         = "SELECT * FROM 'a'"
    error_queue = { arn = "arn:aws:sqs:eu-west-1:111122223333:farm", url = "https://sqs.eu-west-1.amazonaws.com/111122223333/farm" }
    action      = { function = { arn = "a" }, queue = { arn = "a", url = "u" } }
    name        = join("", [for i in range(60) : "x"])
  }

  expect_failures = [var.action, var.name]
}

run "a_work_queue_refuses_what_sqs_and_lambda_refuse" {
  command = plan

  module {
    source = "./modules/work_queue"
  }

  variables {
    function_arn          = "arn:aws:lambda:eu-west-1:111122223333:function:farm-registry"
    batch_size            = 11
    function_timeout      = 901
    maximum_concurrency   = 1
    maximum_receive_count = 0
    name                  = join("", [for i in range(68) : "x"])
  }

  expect_failures = [
    var.batch_size,
    var.function_timeout,
    var.maximum_concurrency,
    var.maximum_receive_count,
    var.name,
  ]
}

run "a_batch_waits_no_longer_than_lambda" {
  command = plan

  module {
    source = "./modules/work_queue"
  }

  variables {
    name                               = "farm-registry"
    function_arn                       = "arn:aws:lambda:eu-west-1:111122223333:function:farm-registry"
    function_timeout                   = 60
    maximum_batching_window_in_seconds = 301
  }

  expect_failures = [var.maximum_batching_window_in_seconds]
}

run "a_synchronisation_refuses_what_scheduler_and_lambda_refuse" {
  command = plan

  module {
    source = "./modules/registry_sync"
  }

  variables {
    name             = join("", [for i in range(56) : "x"])
    function_arn     = "arn:aws:lambda:eu-west-1:111122223333:function:farm-sync"
    function_timeout = 901
    schedule         = "every 10 minutes"
  }

  expect_failures = [var.name, var.function_timeout, var.schedule]
}
