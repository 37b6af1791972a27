# The whole stack, in the order in which a message meets it. What each part consists of is in modules/; what each function
# may do is in policies.tf.

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
  }

  # Rule names have no dash. Nothing collides: stack names have no underscore.
  rule_prefix = replace(var.stack_name, "-", "_")

  # The topics that rules read, and those the stack's users subscribe to.
  inbound_topics = {
    things_stack     = "thethings/lorawan/${var.stack_name}/#"
    downlink         = "lorawan/downlink"
    downlink_push    = "lorawan/+/downlink/push"
    downlink_replace = "lorawan/+/downlink/replace"
  }
  public_topics = {
    downlink_ack         = "lorawan/+/downlink/ack"
    downlink_failed      = "lorawan/+/downlink/failed"
    downlink_invalidated = "lorawan/+/downlink/invalidated"
    downlink_nack        = "lorawan/+/downlink/nack"
    downlink_queued      = "lorawan/+/downlink/queued"
    downlink_rejected    = "lorawan/+/downlink/rejected"
    downlink_sent        = "lorawan/+/downlink/sent"
    join                 = "lorawan/+/join"
    location_solved      = "lorawan/+/location/solved"
    service_data         = "lorawan/+/service/data"
    uplink               = "lorawan/+/uplink"
  }

  # What The Things Stack leaves to the application under end-to-end encryption.
  requeue_rules = {
    evicted = {
      event       = "downlink/invalidated"
      where       = " WHERE NOT isUndefined(downlink_queue_invalidated.downlinks)"
      description = "a queue whose counters were used up"
    }
    join = {
      event       = "join"
      where       = " WHERE NOT isUndefined(join_accept.invalidated_downlinks)"
      description = "the queue of the session before a join"
    }
    nack = {
      event       = "downlink/nack"
      where       = ""
      description = "a confirmed downlink without an answer"
    }
  }

  # Base64, so that the function gets the bytes as they were sent: JSON or not, and numbers unrounded.
  message_sql = "SELECT topic() AS topic, encode(*, 'base64') AS payload FROM '%s'"

  # Hosts of the hosted The Things Stack, and the AWS accounts it acts from.
  cluster_address = lower(trimsuffix(trimprefix(var.cluster_address, "https://"), "/"))
  cluster_url     = startswith(local.cluster_address, "http://") ? local.cluster_address : "https://${local.cluster_address}"
  sandbox         = can(regex("^(nam|sam|eu|af|as|au)[0-9]+\\.cloud\\.thethings\\.network(:443)?$", local.cluster_address))
  cloud_tenant    = try(regex("^([a-z][a-z0-9-]{2,})\\.(?:nam|sam|eu|af|as|au)[0-9]+\\.cloud\\.thethings\\.industries(?::443)?$", local.cluster_address)[0], null)

  identity_server_address = var.identity_server_address == null ? null : lower(trimsuffix(trimprefix(var.identity_server_address, "https://"), "/"))
  identity_server_url = (
    local.identity_server_address != null ? (startswith(local.identity_server_address, "http://") ? local.identity_server_address : "https://${local.identity_server_address}") :
    local.sandbox ? "https://eu1.cloud.thethings.network" :
    local.cloud_tenant != null ? "https://${local.cloud_tenant}.eu1.cloud.thethings.industries" :
    local.cluster_url
  )

  hosted_account_id  = local.sandbox ? "678672909819" : local.cloud_tenant != null ? "097768003349" : null
  trusted_account_id = var.trusted_account_id != null ? var.trusted_account_id : local.hosted_account_id

  # The ways in that assume a role. The hosted package is not known to show an external id: it is asked for one only on request.
  with_role = contains(["manual", "package", "pubsub"], var.ingest.mode)
  external_id = (
    !local.with_role ? null :
    var.external_id != null ? var.external_id :
    var.ingest.mode == "package" ? null :
    terraform_data.external_id.output
  )

  # By region, as the closed integration has it; KR_920_923, which it names for ap-northeast-2, does not exist.
  frequency_plans = {
    af-south-1     = "EU_863_870_TTN"
    ap-east-1      = "AS_923_925"
    ap-northeast-1 = "AS_920_923"
    ap-northeast-2 = "KR_920_923_TTN"
    ap-south-1     = "IN_865_867"
    ap-southeast-1 = "AS_920_923"
    ap-southeast-2 = "AU_915_928_FSB_2"
    ca-central-1   = "US_902_928_FSB_2"
    eu-central-1   = "EU_863_870_TTN"
    eu-north-1     = "EU_863_870_TTN"
    eu-south-1     = "EU_863_870_TTN"
    eu-west-1      = "EU_863_870_TTN"
    eu-west-2      = "EU_863_870_TTN"
    eu-west-3      = "EU_863_870_TTN"
    me-south-1     = "EU_863_870_TTN"
    sa-east-1      = "AU_915_928_FSB_2"
    us-east-1      = "US_902_928_FSB_2"
    us-east-2      = "US_902_928_FSB_2"
    us-west-1      = "US_902_928_FSB_2"
    us-west-2      = "US_902_928_FSB_2"
  }
  frequency_plan_id = var.default_frequency_plan_id != null ? var.default_frequency_plan_id : lookup(local.frequency_plans, local.aws.region, null)

  # What several functions are told.
  environment = {
    LOG_LEVEL        = var.functions.log_level
    STACK_NAME       = var.stack_name
    THINGS_LOG_GROUP = module.things_log.name
  }
  things_stack_environment = {
    API_KEY_SECRET_ARN      = module.secrets.api_key_secret_arn
    APPLICATION_ID          = var.application_id
    CLUSTER_ADDRESS         = local.cluster_url
    IDENTITY_SERVER_ADDRESS = local.identity_server_url
  }

  # What the functions know of end-to-end encryption: null without.
  encryption_environment = {
    END_TO_END_ENCRYPTION = jsonencode(var.end_to_end_encryption ? {
      sessions_table                = one(module.end_to_end_encryption[*].table_name)
      key_encryption_key_secret_arn = module.secrets.key_encryption_key_secret_arn
    } : null)
  }
  encryption_layer_arns = module.end_to_end_encryption[*].layer_arn

  # What the functions that write shadows are told.
  paced = var.shadow.min_interval_seconds > 0
  shadow_environment = merge({ SHADOW = jsonencode(var.shadow) }, local.paced ? {
    SHADOW_QUEUE_URL    = module.shadow_queue[0].queue.url
    SHADOW_STATES_TABLE = module.shadow_states[0].name
  } : {})
  delta_topic = "$aws/things/+/shadow/name/lorawan/update/delta"

  shadow_function_timeout = 30
  # The one client of mode "mqtt": another for each application, so that two never share a certificate or disconnect each other.
  mqtt_client_digest = sha256(join("/", [local.aws.account_id, local.aws.region, var.stack_name, local.cluster_url, var.application_id]))
  mqtt_client_id     = "tts-${substr(local.mqtt_client_digest, 0, 16)}"

  registry_function_timeout = 60
  requeue_function_timeout  = 30
  sync_function_timeout     = 900 # the most Lambda gives; a run that needs longer goes on in another call
}

# Drawn once and kept: an id that could be worked out from the stack's name would protect nobody.
resource "terraform_data" "external_id" {
  input = uuid()

  lifecycle {
    ignore_changes = [input]
  }
}

# What all functions share.

module "package" {
  source = "./modules/package"

  name           = var.stack_name
  source_path    = "${path.module}/lambda_src"
  codecs         = var.codecs
  python_version = trimprefix(var.functions.runtime, "python")
  prebuilt       = var.package

  layer = var.end_to_end_encryption ? {
    requirements = "requirements-encryption.txt"
    architecture = var.functions.architecture
  } : null
}

module "secrets" {
  source = "./modules/secrets"

  stack_name         = var.stack_name
  api_key            = var.application_api_key
  api_key_version    = var.application_api_key_version
  api_key_secret_arn = var.application_api_key_secret_arn
  tags               = var.tags
}

module "things_log" {
  source = "./modules/things_log"

  stack_name = var.stack_name
  tags       = var.tags
}

# The Things Stack → things and their users.

module "upstream" {
  source = "./modules/function"

  name         = "${var.stack_name}-upstream"
  description  = "Messages of The Things Stack: finds or makes the thing, keeps its shadow, publishes on lorawan/<thing>/..."
  handler      = "handlers.upstream.handler"
  code         = module.package.code
  aws          = local.aws
  architecture = var.functions.architecture
  runtime      = var.functions.runtime
  memory_size  = var.functions.memory_size
  log_level    = var.functions.log_level
  timeout      = 15
  policy_json  = data.aws_iam_policy_document.upstream.json
  layer_arns   = local.encryption_layer_arns

  environment = merge(local.environment, local.encryption_environment, local.shadow_environment, {
    THING_NAME_SCHEME = var.thing_name_scheme
    THING_TYPE_NAME   = var.thing_type_name
  })

  asynchronous_invocation = {}

  tags = var.tags
}

module "upstream_rule" {
  source = "./modules/topic_rule"

  name        = "${local.rule_prefix}_upstream"
  description = "Every message The Things Stack publishes for the stack ${var.stack_name}"
  sql         = format(local.message_sql, local.inbound_topics.things_stack)
  action      = { function = { arn = module.upstream.arn } }
  error_queue = module.upstream.failure_queue
  aws         = local.aws
  tags        = var.tags
}

# A shadow that is written only so often: its newest state waits in a table, its turn in a queue.

module "shadow_states" {
  source = "./modules/shadow_states"
  count  = local.paced ? 1 : 0

  name = "${var.stack_name}-shadow-states"
  aws  = local.aws
  tags = var.tags
}

module "shadow" {
  source = "./modules/function"
  count  = local.paced ? 1 : 0

  name         = "${var.stack_name}-shadow"
  description  = "Shadows: writes what waited for its turn"
  handler      = "handlers.shadow.handler"
  code         = module.package.code
  aws          = local.aws
  architecture = var.functions.architecture
  runtime      = var.functions.runtime
  memory_size  = var.functions.memory_size
  log_level    = var.functions.log_level
  timeout      = local.shadow_function_timeout
  policy_json  = data.aws_iam_policy_document.shadow[0].json
  environment  = merge(local.environment, local.shadow_environment)
  tags         = var.tags
}

module "shadow_queue" {
  source = "./modules/work_queue"
  count  = local.paced ? 1 : 0

  name                = "${var.stack_name}-shadow"
  function_arn        = module.shadow[0].arn
  function_timeout    = local.shadow_function_timeout
  maximum_concurrency = 10
  aws                 = local.aws
  tags                = var.tags
}

# How The Things Stack comes in: each of these is made for its modes alone.

module "webhook_function" {
  source = "./modules/function"
  count  = var.ingest.mode == "webhook" ? 1 : 0

  name                 = "${var.stack_name}-webhook"
  description          = "Takes what The Things Stack posts: lets in who has the secret, publishes for the rule"
  handler              = "handlers.webhook.handler"
  code                 = module.package.code
  aws                  = local.aws
  architecture         = var.functions.architecture
  runtime              = var.functions.runtime
  memory_size          = var.functions.memory_size
  log_level            = var.functions.log_level
  timeout              = 10
  reserved_concurrency = var.ingest.webhook.reserved_concurrency
  policy_json          = data.aws_iam_policy_document.webhook[0].json

  environment = merge(local.environment, {
    APPLICATION_ID     = var.application_id
    WEBHOOK_SECRET_ARN = module.webhook[0].secret_arn
  })

  tags = var.tags
}

module "webhook" {
  source = "./modules/webhook"
  count  = var.ingest.mode == "webhook" ? 1 : 0

  function       = { name = module.webhook_function[0].name, arn = module.webhook_function[0].arn }
  secret_name    = "${var.stack_name}/WebhookSecret"
  secret_version = var.ingest.webhook.secret_version
  tags           = var.tags
}

module "mqtt_client" {
  source = "./modules/mqtt_client"
  count  = var.ingest.mode == "mqtt" ? 1 : 0

  name             = "${var.stack_name}-things-stack-${substr(local.mqtt_client_digest, 0, 8)}"
  client_id        = local.mqtt_client_id
  base_topic       = trimsuffix(local.inbound_topics.things_stack, "/#")
  keeper_role_name = module.configure.role_name
  aws              = local.aws
  tags             = var.tags
}

module "things_stack_role" {
  source = "./modules/things_stack_role"
  count  = local.with_role ? 1 : 0

  stack_name         = var.stack_name
  trusted_account_id = local.trusted_account_id
  external_id        = local.external_id
  aws                = local.aws
  tags               = var.tags
}

# Users of things → The Things Stack.

module "downlink" {
  source = "./modules/function"

  name         = "${var.stack_name}-downlink"
  description  = "Downlink requests: checks them and puts them into the device's queue at The Things Stack"
  handler      = "handlers.downlink.handler"
  code         = module.package.code
  aws          = local.aws
  architecture = var.functions.architecture
  runtime      = var.functions.runtime
  memory_size  = var.functions.memory_size
  log_level    = var.functions.log_level
  timeout      = 30
  policy_json  = data.aws_iam_policy_document.downlink.json
  layer_arns   = local.encryption_layer_arns

  environment = merge(
    local.environment,
    local.things_stack_environment,
    local.encryption_environment,
    var.shadow.delta_f_port == null ? {} : { DELTA_F_PORT = tostring(var.shadow.delta_f_port) },
  )

  # A command that is an hour old is better answered by its sender than carried out.
  asynchronous_invocation = { maximum_event_age_in_seconds = 3600 }

  tags = var.tags
}

module "downlink_rules" {
  source   = "./modules/topic_rule"
  for_each = toset(["downlink", "downlink_push", "downlink_replace"])

  name        = "${local.rule_prefix}_${each.key}"
  description = "Downlink requests on ${local.inbound_topics[each.key]}"
  sql         = format(local.message_sql, local.inbound_topics[each.key])
  action      = { function = { arn = module.downlink.arn } }
  error_queue = module.downlink.failure_queue
  aws         = local.aws
  tags        = var.tags
}

# All stacks of the account have this shadow, and a message is of one thing: whose it is, the function asks.
module "shadow_delta_rule" {
  source = "./modules/topic_rule"
  count  = var.shadow.delta_f_port == null ? 0 : 1

  name        = "${local.rule_prefix}_shadow_delta"
  description = "Desired states of shadows that differ from the reported ones"
  sql         = "${format(local.message_sql, local.delta_topic)} WHERE NOT isUndefined(state.decodedPayload)"
  action      = { function = { arn = module.downlink.arn } }
  error_queue = module.downlink.failure_queue
  aws         = local.aws
  tags        = var.tags
}

# End-to-end encryption: keys, counters, and the downlinks that only this stack can encrypt again.

module "end_to_end_encryption" {
  source = "./modules/end_to_end_encryption"
  count  = var.end_to_end_encryption ? 1 : 0

  stack_name                = var.stack_name
  configure_function_name   = module.configure.name
  cluster_address           = local.cluster_url
  identity_server_address   = local.identity_server_url
  application_id            = var.application_id
  api_key_secret            = { arn = module.secrets.api_key_secret_arn, version = var.application_api_key_version }
  key_encryption_key_secret = { arn = module.secrets.key_encryption_key_secret_arn }

  layer = {
    code         = module.package.layer
    architecture = var.functions.architecture
    runtime      = var.functions.runtime
  }

  aws  = local.aws
  tags = var.tags
}

module "requeue" {
  source = "./modules/function"
  count  = var.end_to_end_encryption ? 1 : 0

  name         = "${var.stack_name}-requeue"
  description  = "Encrypts downlinks again that The Things Stack gave back: after a join, a used counter, a missing acknowledgement"
  handler      = "handlers.requeue.handler"
  code         = module.package.code
  aws          = local.aws
  architecture = var.functions.architecture
  runtime      = var.functions.runtime
  memory_size  = var.functions.memory_size
  log_level    = var.functions.log_level
  timeout      = local.requeue_function_timeout
  policy_json  = data.aws_iam_policy_document.requeue[0].json
  layer_arns   = local.encryption_layer_arns

  environment = merge(local.environment, local.things_stack_environment, local.encryption_environment, {
    THING_NAME_SCHEME = var.thing_name_scheme
    THING_TYPE_NAME   = var.thing_type_name
  })

  tags = var.tags
}

module "requeue_queue" {
  source = "./modules/work_queue"
  count  = var.end_to_end_encryption ? 1 : 0

  name                  = "${var.stack_name}-requeue"
  function_arn          = module.requeue[0].arn
  function_timeout      = local.requeue_function_timeout
  batch_size            = 1
  maximum_concurrency   = 10
  maximum_receive_count = 480 # a day of tries: a device that joined again may take as long to send
  aws                   = local.aws
  tags                  = var.tags
}

module "requeue_rules" {
  source   = "./modules/topic_rule"
  for_each = { for name, rule in local.requeue_rules : name => rule if var.end_to_end_encryption }

  name        = "${local.rule_prefix}_requeue_${each.key}"
  description = "Downlinks to be encrypted again: ${each.value.description}"
  sql         = "${format(local.message_sql, "thethings/lorawan/${var.stack_name}/${each.value.event}")}${each.value.where}"
  action      = { queue = module.requeue_queue[0].queue }
  error_queue = module.requeue_queue[0].dead_letter_queue
  aws         = local.aws
  tags        = var.tags
}

# The registry of things → the registry of The Things Stack.

module "registry" {
  source = "./modules/function"

  name         = "${var.stack_name}-registry"
  description  = "Registry events: makes and deletes the devices of things at The Things Stack"
  handler      = "handlers.registry.handler"
  code         = module.package.code
  aws          = local.aws
  architecture = var.functions.architecture
  runtime      = var.functions.runtime
  memory_size  = var.functions.memory_size
  log_level    = var.functions.log_level
  timeout      = local.registry_function_timeout
  policy_json  = data.aws_iam_policy_document.registry.json

  environment = merge(local.environment, local.things_stack_environment, {
    DEFAULT_FREQUENCY_PLAN_ID = local.frequency_plan_id
    ON_THING_DELETED          = var.on_thing_deleted
    SCRUB_KEYS                = tostring(var.scrub_keys)
    THING_NAME_SCHEME         = var.thing_name_scheme
    THING_TYPE_NAME           = var.thing_type_name
  })

  tags = var.tags
}

module "registry_queue" {
  source = "./modules/work_queue"

  name             = "${var.stack_name}-registry"
  function_arn     = module.registry.arn
  function_timeout = local.registry_function_timeout
  aws              = local.aws
  tags             = var.tags
}

module "registry_rule" {
  source = "./modules/topic_rule"

  name        = "${local.rule_prefix}_registry"
  description = "Registry events of things of the stack ${var.stack_name}"
  sql         = "SELECT * FROM '$aws/events/thing/+/+' WHERE thingTypeName = '${var.thing_type_name}' AND attributes.stackName = '${var.stack_name}'"
  action      = { queue = module.registry_queue.queue }
  error_queue = module.registry_queue.dead_letter_queue
  aws         = local.aws
  tags        = var.tags
}

# Both registries, compared on a schedule: what events missed.

module "sync" {
  source = "./modules/function"
  count  = var.registry_sync.enabled ? 1 : 0

  name         = "${var.stack_name}-sync"
  description  = "Compares things and end devices, and hands what is not in step to ${var.stack_name}-registry"
  handler      = "handlers.sync.handler"
  code         = module.package.code
  aws          = local.aws
  architecture = var.functions.architecture
  runtime      = var.functions.runtime
  memory_size  = var.functions.memory_size
  log_level    = var.functions.log_level
  timeout      = local.sync_function_timeout
  policy_json  = data.aws_iam_policy_document.sync[0].json

  environment = merge(local.environment, local.things_stack_environment, {
    ON_THING_DELETED   = var.on_thing_deleted
    REGISTRY_QUEUE_URL = module.registry_queue.queue.url
    SYNC_MODE          = var.registry_sync.mode
    SYNC_QUEUE_URL     = module.registry_sync[0].queue.url
  })

  tags = var.tags
}

module "registry_sync" {
  source = "./modules/registry_sync"
  count  = var.registry_sync.enabled ? 1 : 0

  name             = "${var.stack_name}-sync"
  schedule         = var.registry_sync.schedule
  function_arn     = module.sync[0].arn
  function_timeout = local.sync_function_timeout
  aws              = local.aws
  tags             = var.tags
}

# What no resource can set up: done by a function during the apply, undone by it on destroy.

module "configure" {
  source = "./modules/function"

  name         = "${var.stack_name}-configure"
  description  = "Called by Terraform: thing type, registry events, and the integration at The Things Stack"
  handler      = "handlers.configure.handler"
  code         = module.package.code
  aws          = local.aws
  architecture = var.functions.architecture
  runtime      = var.functions.runtime
  memory_size  = var.functions.memory_size
  log_level    = var.functions.log_level
  timeout      = 60
  policy_json  = data.aws_iam_policy_document.configure.json
  environment  = { LOG_LEVEL = var.functions.log_level }
  tags         = var.tags
}

module "thing_type" {
  source = "./modules/thing_type"
  count  = var.create_thing_type ? 1 : 0

  configure_function_name = module.configure.name
  name                    = var.thing_type_name
}

module "registry_events" {
  source = "./modules/registry_events"
  count  = var.enable_registry_events ? 1 : 0

  configure_function_name = module.configure.name

  # An event that comes before the queue is ready would be lost.
  depends_on = [module.registry_queue, module.registry_rule]
}

module "integration" {
  source = "./modules/integration"

  configure_function_name = module.configure.name
  mode                    = var.ingest.mode
  aws                     = local.aws
  stack_name              = var.stack_name
  cluster_address         = local.cluster_url
  identity_server_address = local.identity_server_url
  application_id          = var.application_id
  api_key_secret          = { arn = module.secrets.api_key_secret_arn, version = var.application_api_key_version }
  cross_account_role      = one([for role in module.things_stack_role : { arn = role.arn, external_id = local.external_id }])
  package                 = var.ingest.mode == "package" ? var.ingest.package : null

  webhook = one([for webhook in module.webhook : {
    url            = webhook.url
    secret_arn     = webhook.secret_arn
    secret_version = var.ingest.webhook.secret_version
  }])

  mqtt = one([for client in module.mqtt_client : {
    ca_certificate      = var.ingest.mqtt.ca_certificate
    certificate_version = var.ingest.mqtt.certificate_version
    client_id           = local.mqtt_client_id
    policy_name         = client.policy_name
    server_url          = coalesce(var.ingest.mqtt.server_url, "mqtts://${data.aws_iot_endpoint.this.endpoint_address}:8883")
  }])

  # Last to come and first to go: The Things Stack connects as soon as it is told, and every message must find its way.
  depends_on = [
    module.downlink_rules,
    module.end_to_end_encryption,
    module.registry_events,
    module.registry_queue,
    module.registry_rule,
    module.registry_sync,
    module.requeue_rules,
    module.thing_type,
    module.upstream_rule,
  ]
}
