# The whole stack, in the order in which a message meets it. What each capability consists of, and what its functions may do, is in its
# module; what is known of The Things Stack is in things_stack.tf.

data "aws_caller_identity" "this" {}

data "aws_iot_endpoint" "this" {
  endpoint_type = "iot:Data-ATS"
}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  aws = {
    partition  = data.aws_partition.this.partition
    region     = data.aws_region.this.id # `name` and `region` are each missing or deprecated in one major version of the provider
    account_id = data.aws_caller_identity.this.account_id
    kms_key    = var.kms_key
    roles      = var.roles
  }
  stack = {
    name              = var.stack_name
    thing_type_name   = var.thing_type_name
    thing_name_scheme = var.thing_name_scheme
  }
  # Functions that messages pass need little memory and mostly wait for AWS, which is charged by the memory they have. Keys and payloads take
  # more processor time, which comes with the memory.
  functions         = merge(var.functions, { code = module.package.code, memory_size = coalesce(var.functions.memory_size, 512) })
  message_functions = merge(local.functions, { memory_size = coalesce(var.functions.memory_size, var.end_to_end_encryption ? 256 : 128) })
  by_token          = var.ingest.mode == "webhook" && var.ingest.webhook.receiver == "iot_core"
}

# What all functions share.

module "package" {
  source = "./modules/package"

  name           = var.stack_name
  source_path    = "${path.module}/lambda_src"
  codecs         = var.codecs
  python_version = trimprefix(var.functions.runtime, "python")
  prebuilt       = one(module.prebuilt[*].code)
  signed         = var.functions.code_signing_config_arn != null
  layer          = var.end_to_end_encryption || local.by_token ? { requirements = "requirements-encryption.txt", architecture = var.functions.architecture } : null
}

module "prebuilt" {
  source = "./modules/prebuilt"
  count  = var.package == null ? 0 : 1

  package = var.package
}

module "things_log" {
  source = "./modules/log_group"

  name              = "/thethings/lorawan/${module.integration.stack.name}/things"
  retention_in_days = var.things_log_retention_in_days
  use               = { sid = "WriteThingsLog", environment_variable = "THINGS_LOG_GROUP" }
  aws               = local.aws
  tags              = var.tags
}

# The Things Stack → things and their users.

module "upstream" {
  source = "./modules/upstream"

  stack                 = module.integration.stack
  mode                  = var.uplink_mode
  batches               = var.uplink_batches
  configure             = { function_name = module.configure.function_name, role_name = module.configure.role_name }
  shadow_metrics        = var.shadow.metrics
  base_topic            = module.things_stack.base_topic
  iot_endpoint          = data.aws_iot_endpoint.this.endpoint_address
  directory             = module.directory.messages
  shadow                = module.shadow.use
  end_to_end_encryption = local.encryption.messages
  things_log            = module.things_log.use
  functions             = local.message_functions
  limits                = var.limits
  publishes_per_second  = module.ingest.publishes_per_second
  silence_minutes       = module.observability.silence_minutes
  alarms                = module.observability.alarms
  aws                   = local.aws
  tags                  = var.tags
}

module "directory" {
  source = "./modules/directory"

  stack        = module.integration.stack
  iot_endpoint = data.aws_iot_endpoint.this.endpoint_address
  things_log   = module.things_log.use
  functions    = local.functions
  alarms       = module.observability.alarms
  aws          = local.aws
  tags         = var.tags
}

module "shadow" {
  source = "./modules/shadow"

  stack        = module.integration.stack
  settings     = var.shadow
  limits       = var.limits
  iot_endpoint = data.aws_iot_endpoint.this.endpoint_address
  things_log   = module.things_log.use
  functions    = local.message_functions
  alarms       = module.observability.alarms
  aws          = local.aws
  tags         = var.tags
}

module "end_to_end_encryption" {
  source = "./modules/end_to_end_encryption"
  count  = var.end_to_end_encryption ? 1 : 0

  stack               = module.integration.stack
  base_topic          = module.things_stack.base_topic
  configure_role_name = module.configure.role_name
  layer               = module.package.layer
  things_stack        = module.things_stack.application
  things_log          = module.things_log.use
  functions           = local.functions
  alarms              = module.observability.alarms
  aws                 = local.aws
  tags                = var.tags
}

locals {
  # What others take from it; null without it. Not [*], as a splat waits for all of the module.
  encryption = {
    downlinks = var.end_to_end_encryption ? module.end_to_end_encryption[0].downlinks : null
    key       = var.end_to_end_encryption ? module.end_to_end_encryption[0].key_encryption_key : null
    messages  = var.end_to_end_encryption ? module.end_to_end_encryption[0].messages : null
  }
}

# Users of things → The Things Stack.

module "downlink" {
  source = "./modules/downlink"

  stack                 = module.integration.stack
  settings              = var.downlink
  delta_f_port          = var.shadow.delta_f_port
  end_to_end_encryption = local.encryption.downlinks
  iot_endpoint          = data.aws_iot_endpoint.this.endpoint_address
  things_stack          = module.things_stack.application
  things_log            = module.things_log.use
  functions             = local.functions
  alarms                = module.observability.alarms
  aws                   = local.aws
  tags                  = var.tags
}

# The registry of things → the registry of The Things Stack.

module "registry" {
  source = "./modules/registry"

  stack                     = module.integration.stack
  default_frequency_plan_id = local.frequency_plan_id
  limits                    = var.limits
  on_thing_deleted          = var.on_thing_deleted
  scrub_keys                = var.scrub_keys
  sync                      = var.registry_sync
  silence                   = module.observability.device_silence
  releases_url              = var.check_version ? var.releases_url : null
  directory                 = { use = module.directory.use, upkeep = module.directory.upkeep }
  things_stack              = module.things_stack.application
  things_log                = module.things_log.use
  functions                 = local.functions
  alarms                    = module.observability.alarms
  aws                       = local.aws
  tags                      = var.tags
}

# Devices that connect to AWS IoT Core themselves.

module "devices" {
  source = "./modules/devices"
  count  = var.devices == null ? 0 : 1

  stack           = module.integration.stack
  types           = var.devices.types
  locations       = var.devices.locations
  own_policy_json = var.devices.own_policy_json
  fleet_indexing  = var.devices.fleet_indexing
  ca_certificate  = var.devices.ca_certificate
  iot_endpoint    = coalesce(var.devices.iot_endpoint, data.aws_iot_endpoint.this.endpoint_address)
  telemetry       = var.devices.telemetry
  provisioning    = var.devices.provisioning
  things_log      = module.things_log.use
  functions       = local.functions
  alarms          = module.observability.alarms
  aws             = local.aws
  tags            = var.tags

  end_old_certificates = var.devices.end_old_certificates
}

# What alarms do, and what there is to be seen of all capabilities. Configure has neither: Terraform invokes it and shows its error.

module "observability" {
  source = "./modules/observability"

  stack    = module.integration.stack
  settings = var.observability
  aws      = local.aws
  tags     = var.tags

  observed = concat(
    [module.ingest.observed, module.upstream.observed, module.shadow.observed, module.downlink.observed],
    module.end_to_end_encryption[*].observed,
    [module.registry.observed, module.directory.observed],
    module.devices[*].observed,
  )
}

# How messages of The Things Stack are received, and what no resource can set up: a function does it on apply, and undoes it on destroy.

module "configure" {
  source = "./modules/configure"

  stack                  = local.stack
  create_thing_type      = var.create_thing_type
  enable_registry_events = var.enable_registry_events
  layer                  = local.by_token ? module.package.layer : null
  uses                   = { things_stack = module.things_stack.access }
  functions              = local.functions
  aws                    = local.aws
  tags                   = var.tags
}

module "ingest" {
  source = "./modules/ingest"

  stack               = local.stack
  mode                = var.ingest.mode
  basic_ingest        = var.ingest.basic_ingest
  client_id_pattern   = var.ingest.client_id_pattern
  mqtt                = var.ingest.mqtt
  package             = var.ingest.package
  pubsub              = var.ingest.pubsub
  webhook             = var.ingest.webhook
  base_topic          = module.things_stack.base_topic
  trusted_account_id  = local.trusted_account_id
  external_id         = var.external_id
  iot_endpoint        = data.aws_iot_endpoint.this.endpoint_address
  configure_role_name = module.configure.role_name
  things_stack        = module.things_stack.application
  functions           = local.message_functions
  alarms              = module.observability.alarms
  aws                 = local.aws
  tags                = var.tags
}

# Its first call checks address and API key, and everything above waits for it, by the stack that it outputs: what would not work is not
# created. Configure and ingest do not wait: the check needs the one, and what the other replaces when the mode changes must not make
# Terraform write another version of the API key before it deletes the old one.
module "integration" {
  source = "./modules/integration"

  stack                   = local.stack
  configure_function_name = module.configure.function_name
  parameter_path          = module.configure.parameter_path
  secrets_ready           = module.api_key.ready
  check                   = { mode = var.ingest.mode, end_to_end_encryption = var.end_to_end_encryption }
  ingest                  = module.ingest.configuration
  thing_type              = var.create_thing_type ? {} : null
  registry_events         = var.enable_registry_events ? concat(module.registry.ready, module.directory.ready) : null
  end_to_end_encryption   = local.encryption.key
  things_stack            = module.things_stack.application
  aws                     = local.aws
  tags                    = var.tags

  ready = concat(
    module.upstream.ready,
    module.directory.ready,
    module.shadow.ready,
    flatten(module.end_to_end_encryption[*].ready),
    module.downlink.ready,
    module.registry.ready,
    module.registry.sync_ready,
  )
}
