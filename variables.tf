# What a user decides about a stack. Grammar and limits are checked here; what only the other side knows (whether the key is
# right, whether the cluster answers) is checked by the function configure during the apply.

variable "application_api_key" {
  description = "API key of the application, with the rights that the README lists. Written to Secrets Manager, never kept in a plan or a state. Set this or application_api_key_secret_arn."
  type        = string
  default     = null
  ephemeral   = true

  validation {
    condition     = (var.application_api_key == null) != (var.application_api_key_secret_arn == null)
    error_message = "exactly one of application_api_key and application_api_key_secret_arn must be set; got none or both."
  }

  validation {
    condition     = var.application_api_key == null || can(regex("^[!-~]+$", var.application_api_key))
    error_message = "application_api_key must be the key alone, in printable ASCII characters without spaces or line breaks; got something else (not shown)."
  }
}

variable "application_api_key_secret_arn" {
  description = "ARN of an existing secret whose string is the API key. It must be known when planning: take it from a data source, not from a resource of the same apply."
  type        = string
  default     = null

  validation {
    condition     = var.application_api_key_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", var.application_api_key_secret_arn))
    error_message = "application_api_key_secret_arn must be the ARN of a secret, arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<suffix>; got \"${coalesce(var.application_api_key_secret_arn, "null")}\"."
  }
}

variable "application_api_key_version" {
  description = "Raise it when the API key has changed: the new key is written, checked, and used from then on."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.application_api_key_version >= 1 && floor(var.application_api_key_version) == var.application_api_key_version
    error_message = "application_api_key_version must be a whole number from 1; got ${var.application_api_key_version}."
  }
}

variable "application_id" {
  description = "Application of The Things Stack whose devices become things."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9](?:-?[a-z0-9]){2,}$", var.application_id)) && length(var.application_id) <= 36
    error_message = "application_id must hold 3 to 36 lower-case letters and digits with single dashes between them, as the Console shows it; got \"${var.application_id}\"."
  }
}

variable "check_version" {
  description = "Whether releases_url is asked once a day for a new version, with registry_sync. Nothing is sent; without an answer, nothing happens."
  type        = bool
  default     = true
  nullable    = false
}

variable "cluster_address" {
  description = "Cluster of The Things Stack: a host, host:port or URL, e.g. \"eu1.cloud.thethings.network\". http:// only for localhost."
  type        = string

  validation {
    condition     = can(regex("^(https?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$", var.cluster_address))
    error_message = "cluster_address must be a host, host:port or URL without a path, e.g. eu1.cloud.thethings.network; got \"${var.cluster_address}\"."
  }

  validation {
    condition     = !startswith(var.cluster_address, "http://") || can(regex("^http://(localhost|127\\.0\\.0\\.1)(:[0-9]+)?/?$", var.cluster_address))
    error_message = "cluster_address must use https unless it is localhost or 127.0.0.1, as http would send the API key in plain text; got \"${var.cluster_address}\"."
  }

  validation {
    condition     = !can(regex("^(https://)?((nam|sam|eu|af|as|au)[0-9]+\\.)?cloud\\.thethings\\.industries(:[0-9]+)?/?$", lower(var.cluster_address)))
    error_message = "cluster_address of The Things Stack Cloud must include your tenant and a cluster, <tenant>.<cluster>.cloud.thethings.industries; got \"${var.cluster_address}\"."
  }
}

variable "cluster_ca_certificate" {
  description = "Certificate of the private authority that signed those of cluster_address and identity_server_address, in PEM, at most 2,500 characters: that of the authority alone. null: only the public authorities are trusted."
  type        = string
  default     = null

  # The variables of a function have 4 KB in all.
  validation {
    condition     = var.cluster_ca_certificate == null || (can(regex("^\\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----\\s*)+$", var.cluster_ca_certificate)) && try(length(var.cluster_ca_certificate), 0) <= 2500)
    error_message = "cluster_ca_certificate must be a certificate in PEM of at most 2500 characters, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----; got ${try(length(var.cluster_ca_certificate), 0)} characters, \"${substr(coalesce(var.cluster_ca_certificate, "null"), 0, 30)}…\"."
  }
}

variable "codecs" {
  description = "Your own decoders, for devices whose formatter is not in The Things Stack: a folder of Python files (docs/codecs.md). null: none."
  type = object({
    source_path = string
  })
  default = null

  validation {
    condition     = var.codecs == null || try(length(fileset(var.codecs.source_path, "**/*.py")) > 0, false)
    error_message = "codecs.source_path must be a folder with Python files; got \"${try(var.codecs.source_path, "null")}\"."
  }

  validation {
    condition     = var.codecs == null || var.package == null
    error_message = "codecs must be null with a prebuilt package, which holds its decoders in the folder device_codecs; got \"${try(var.codecs.source_path, "null")}\"."
  }
}

variable "create_thing_type" {
  description = "Whether the thing type is managed by this stack: created when it is missing, adopted when it exists, kept on destroy. false: it is managed elsewhere, and neither created nor changed."
  type        = bool
  default     = true
  nullable    = false
}

variable "default_frequency_plan_id" {
  description = "Frequency plan of devices created from AWS whose thing names none. null: the usual one of the AWS region."
  type        = string
  default     = null

  validation {
    condition     = var.default_frequency_plan_id == null || can(regex("^[A-Z0-9_]+$", var.default_frequency_plan_id))
    error_message = "default_frequency_plan_id must be a frequency plan ID of The Things Stack, upper-case letters, digits and _, e.g. EU_863_870_TTN; got \"${coalesce(var.default_frequency_plan_id, "null")}\"."
  }

  validation {
    condition     = var.default_frequency_plan_id != null || contains(keys(module.things_stack.frequency_plans), local.aws.region)
    error_message = "default_frequency_plan_id must be set in an AWS region without a usual frequency plan; got null in \"${local.aws.region}\"."
  }
}

variable "devices" {
  description = "Devices that connect to AWS IoT Core themselves, with certificates of their own (docs/devices.md): their types and locations, a policy of your own beside the one they all carry, whether the account's fleet index is configured here, the host and authority that devices connect to if they are not AWS IoT Core's own, how their readings are evaluated (telemetry, docs/telemetry.md), whether devices register themselves (provisioning), and whether the old certificates of rotated devices end by themselves (end_old_certificates). null: none."
  type = object({
    ca_certificate = optional(string)
    end_old_certificates = optional(object({
      after_hours = optional(number)
    }))
    fleet_indexing  = optional(bool, false)
    iot_endpoint    = optional(string)
    locations       = optional(set(string), [])
    own_policy_json = optional(string)
    provisioning = optional(object({
      just_in_time = optional(map(object({ type = string, location = optional(string) })))
      name_pattern = optional(string)
    }))
    telemetry = optional(object({
      notifications = optional(object({
        enabled   = optional(bool)
        topic_arn = optional(string)
      }))
      settings_seconds = optional(number)
      status = optional(object({
        fields = map(object({
          maximum  = optional(number)
          minimum  = optional(number)
          required = optional(bool)
          unit     = optional(string)
        }))
        metrics = optional(string)
      }))
      stream = optional(object({
        firehose = optional(object({ arn = string, name = string }))
        kinesis  = optional(object({ arn = string, name = string }))
        queue    = optional(object({ arn = string, url = string }))
      }))
      types = optional(map(object({
        fields = map(object({
          hysteresis = optional(number)
          levels     = optional(list(object({ name = string, above = optional(number), below = optional(number) })))
          maximum    = optional(number)
          minimum    = optional(number)
          required   = optional(bool)
          unit       = optional(string)
        }))
        metrics = optional(string)
      })))
    }))
    types = map(object({
      description           = optional(string, "Device with a certificate of its own")
      initial_shadow_json   = optional(string)
      searchable_attributes = optional(list(string), ["location", "manufacturer", "model"])
    }))
  })
  default = null
}

variable "downlink" {
  description = "How downlinks are sent, those of a thing in order. hold_seconds: how long a request waits for older ones that may still arrive. rate_per_minute: pushes and replaces of all devices together (null: 80 % of the limit that The Things Stack reports, no limit if it reports none). concurrency: invocations that send at the same time and share that rate. maximum_age_seconds: after which a request that was not sent is rejected."
  type = object({
    concurrency         = optional(number, 2)
    hold_seconds        = optional(number, 0.5)
    maximum_age_seconds = optional(number, 3600)
    rate_per_minute     = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.downlink.concurrency >= 2 && var.downlink.concurrency <= 1000 && floor(var.downlink.concurrency) == var.downlink.concurrency
    error_message = "downlink.concurrency must be a whole number from 2, the least of Lambda, to 1000; got ${var.downlink.concurrency}."
  }

  validation {
    condition     = var.downlink.hold_seconds >= 0 && var.downlink.hold_seconds <= 60
    error_message = "downlink.hold_seconds must be 0 to 60; got ${var.downlink.hold_seconds}."
  }

  validation {
    condition     = var.downlink.maximum_age_seconds >= 60 && var.downlink.maximum_age_seconds <= 21600
    error_message = "downlink.maximum_age_seconds must be 60 to 21600; got ${var.downlink.maximum_age_seconds}."
  }

  validation {
    condition     = try(var.downlink.rate_per_minute >= 1, var.downlink.rate_per_minute == null)
    error_message = "downlink.rate_per_minute must be at least 1, or null for a part of the limit that The Things Stack reports; got ${coalesce(var.downlink.rate_per_minute, 0)}."
  }

  # An invocation has 300 seconds, of which each instance waits for its share of the rate.
  validation {
    condition     = try(60 * var.downlink.concurrency / var.downlink.rate_per_minute <= 240, true)
    error_message = "downlink.concurrency must be at most four times rate_per_minute, so that each instance sends within an invocation; got ${var.downlink.concurrency}."
  }
}

variable "enable_registry_events" {
  description = "Whether AWS IoT is configured to publish an event when a thing is created, changed or deleted: without them, no device follows its thing. Other types of event are left as they are. false: they are switched on elsewhere."
  type        = bool
  default     = true
  nullable    = false
}

variable "end_to_end_encryption" {
  description = "Whether payloads are encrypted end to end: session keys reach this stack wrapped with a key of its own, The Things Stack reads no payload and runs no payload formatter. It needs a Join Server in the cluster, and takes effect for each device with its next join."
  type        = bool
  default     = false
  nullable    = false
}

variable "external_id" {
  description = "External id that The Things Stack shows when it assumes the role. null: one is generated at random and kept; with ingest.mode \"package\" none is required."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || (can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", var.external_id)) && try(length(var.external_id), 0) <= 1224)
    error_message = "external_id must hold 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / and -; got \"${coalesce(var.external_id, "null")}\"."
  }
}

variable "functions" {
  description = "How the functions run: processor (\"arm64\" or \"x86_64\"), least severe level that is logged, days that their logs are kept (0: forever), memory in MB (null: 128 for those that messages pass, 256 with end-to-end encryption, and 512 for the others), runtime. code_signing_config_arn: what the signature of the package is checked with. tracing: \"Active\" sends traces to X-Ray. vpc: subnets and security groups that all functions run in (null: outside of any VPC). docs/security.md has what the last three need."
  type = object({
    architecture            = optional(string, "arm64")
    code_signing_config_arn = optional(string)
    log_level               = optional(string, "INFO")
    log_retention_in_days   = optional(number, 30)
    memory_size             = optional(number)
    runtime                 = optional(string, "python3.13")
    tracing                 = optional(string, "PassThrough")
    vpc = optional(object({
      security_group_ids = list(string)
      subnet_ids         = list(string)
    }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.functions.architecture)
    error_message = "functions.architecture must be \"arm64\" or \"x86_64\"; got \"${var.functions.architecture}\"."
  }

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.functions.log_level)
    error_message = "functions.log_level must be \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"; got \"${var.functions.log_level}\"."
  }

  validation {
    condition     = var.functions.memory_size == null || try(var.functions.memory_size >= 128 && var.functions.memory_size <= 10240 && floor(var.functions.memory_size) == var.functions.memory_size, false)
    error_message = "functions.memory_size must be a whole number from 128 to 10240, or null; got ${coalesce(var.functions.memory_size, "null")}."
  }

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.functions.runtime))
    error_message = "functions.runtime must be \"python3.11\" or a later Python of Lambda; got \"${var.functions.runtime}\"."
  }

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.functions.log_retention_in_days)
    error_message = "functions.log_retention_in_days must be a retention of CloudWatch Logs (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653); got ${var.functions.log_retention_in_days}."
  }

  validation {
    condition     = contains(["Active", "PassThrough"], var.functions.tracing)
    error_message = "functions.tracing must be \"Active\" or \"PassThrough\"; got \"${var.functions.tracing}\"."
  }

  validation {
    condition     = try(length(var.functions.vpc.subnet_ids) >= 1 && length(var.functions.vpc.security_group_ids) >= 1, var.functions.vpc == null)
    error_message = "functions.vpc must name at least one subnet and one security group, or be null; got ${jsonencode(var.functions.vpc)}."
  }
}

variable "identity_server_address" {
  description = "Identity Server of The Things Stack, in the same form as cluster_address. null: derived from it (the hosted ones have it in eu1)."
  type        = string
  default     = null

  validation {
    condition     = var.identity_server_address == null || can(regex("^(https?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$", var.identity_server_address))
    error_message = "identity_server_address must be a host, host:port or URL without a path, or null; got \"${coalesce(var.identity_server_address, "null")}\"."
  }

  validation {
    condition     = !startswith(coalesce(var.identity_server_address, "-"), "http://") || can(regex("^http://(localhost|127\\.0\\.0\\.1)(:[0-9]+)?/?$", var.identity_server_address))
    error_message = "identity_server_address must use https unless it is localhost or 127.0.0.1, as http would send the API key in plain text; got \"${coalesce(var.identity_server_address, "null")}\"."
  }
}

variable "ingest" {
  description = "How messages are received, and the settings of each mode: docs/ingest.md helps to choose. mode \"webhook\": posted to a function's URL, or with webhook.receiver \"iot_core\" to AWS IoT Core itself; \"mqtt\": with a client certificate, over one connection, of which AWS IoT takes 100 messages per second; \"pubsub\", \"package\" and \"manual\": with the cross-account role. All but \"manual\" are configured in The Things Stack by the apply. basic_ingest: with \"webhook\" and \"mqtt\", messages start the stack's rule directly, and AWS charges none for the way in; nobody can subscribe to thethings/lorawan/<stack>/# then, and no other rule reads it. client_id_pattern: MQTT client IDs that The Things Stack may connect with as the cross-account role, * as wildcard. pubsub.has_aws_iot_provider: whoever runs the cluster says that its Pub/Sub has the provider aws_iot; required with mode \"pubsub\"."
  type = object({
    mode              = string # Required: Terraform drops attributes that it does not know, so a misspelt one would select the default.
    basic_ingest      = optional(bool, false)
    client_id_pattern = optional(string, "*")
    mqtt = optional(object({
      ca_certificate      = optional(string)
      certificate_version = optional(number, 1)
      server_url          = optional(string)
    }), {})
    package = optional(object({
      data_fields = optional(object({
        external_id = optional(string)
        region      = optional(string, "region")
        role_arn    = optional(string, "role_arn")
        stack_name  = optional(string, "stack_name")
      }), {})
      f_port = optional(number, 198)
    }), {})
    pubsub = optional(object({
      has_aws_iot_provider = optional(bool, false)
    }), {})
    webhook = optional(object({
      receiver             = optional(string, "function")
      reserved_concurrency = optional(number)
      secret_version       = optional(number, 1)
      url                  = optional(string)
    }), {})
  })
  default  = { mode = "webhook" }
  nullable = false

  validation {
    condition     = contains(["pubsub", "package", "webhook", "mqtt", "manual"], var.ingest.mode)
    error_message = "ingest.mode must be \"pubsub\", \"package\", \"webhook\", \"mqtt\" or \"manual\"; got \"${var.ingest.mode}\"."
  }

  # The topics of the others are The Things Stack's own.
  validation {
    condition     = !var.ingest.basic_ingest || contains(["mqtt", "webhook"], var.ingest.mode)
    error_message = "ingest.basic_ingest must be false unless ingest.mode is \"webhook\" or \"mqtt\": with the others The Things Stack decides on the topics; got true with ingest.mode \"${var.ingest.mode}\"."
  }

  # Basic Ingest starts the one rule that it names. The rules of requeue would not see what The Things Stack returns, and no other
  # path leads there.
  validation {
    condition     = !var.ingest.basic_ingest || !var.end_to_end_encryption
    error_message = "ingest.basic_ingest must be false with end_to_end_encryption: downlinks that The Things Stack returns are read by rules of their own, which Basic Ingest does not start; got true."
  }

  # The open source accepts the provider and publishes nothing, and its API does not say which providers work.
  validation {
    condition     = var.ingest.mode != "pubsub" || var.ingest.pubsub.has_aws_iot_provider == true
    error_message = "ingest.pubsub.has_aws_iot_provider must be true with ingest.mode \"pubsub\": few Enterprise deployments have the provider aws_iot, the open source accepts it and delivers no message, and the apply can't see the difference. Ask whoever runs the cluster, or choose ingest.mode \"webhook\", which every deployment has; got ${coalesce(var.ingest.pubsub.has_aws_iot_provider, false)}."
  }

  # The regions with a usual frequency plan are those that The Things Stack's API enumerates.
  validation {
    condition     = var.ingest.mode != "pubsub" || contains(keys(module.things_stack.frequency_plans), local.aws.region)
    error_message = "ingest.mode must not be \"pubsub\" outside of the AWS regions that The Things Stack connects to (${join(", ", keys(module.things_stack.frequency_plans))}); got \"pubsub\" in \"${local.aws.region}\"."
  }

  validation {
    condition     = var.ingest.mqtt.server_url == null || can(regex("^mqtts://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$", var.ingest.mqtt.server_url))
    error_message = "ingest.mqtt.server_url must be mqtts://host or mqtts://host:port, or null for AWS IoT's own; got \"${coalesce(var.ingest.mqtt.server_url, "null")}\"."
  }

  # applicationserver_pubsub.proto: 8192 bytes for a PEM.
  validation {
    condition     = var.ingest.mqtt.ca_certificate == null || (can(regex("^\\s*-----BEGIN CERTIFICATE-----", var.ingest.mqtt.ca_certificate)) && try(length(var.ingest.mqtt.ca_certificate), 0) <= 8192)
    error_message = "ingest.mqtt.ca_certificate must be a certificate in PEM of at most 8192 bytes, beginning with -----BEGIN CERTIFICATE-----; got \"${substr(coalesce(var.ingest.mqtt.ca_certificate, "null"), 0, 30)}…\"."
  }

  validation {
    condition     = var.ingest.mqtt.certificate_version >= 1 && floor(var.ingest.mqtt.certificate_version) == var.ingest.mqtt.certificate_version
    error_message = "ingest.mqtt.certificate_version must be a whole number from 1; got ${var.ingest.mqtt.certificate_version}."
  }

  validation {
    condition     = contains(["function", "iot_core"], var.ingest.webhook.receiver)
    error_message = "ingest.webhook.receiver must be \"function\" or \"iot_core\"; got \"${var.ingest.webhook.receiver}\"."
  }

  # AWS IoT Core admits by signature before it invokes anything: there is no function that strangers could occupy.
  validation {
    condition     = var.ingest.webhook.receiver != "iot_core" || var.ingest.webhook.reserved_concurrency == null
    error_message = "ingest.webhook.reserved_concurrency must be null with ingest.webhook.receiver \"iot_core\", as no function receives; got ${coalesce(var.ingest.webhook.reserved_concurrency, 0)}."
  }

  validation {
    condition     = var.ingest.webhook.secret_version >= 1 && floor(var.ingest.webhook.secret_version) == var.ingest.webhook.secret_version
    error_message = "ingest.webhook.secret_version must be a whole number from 1; got ${var.ingest.webhook.secret_version}."
  }

  validation {
    condition     = var.ingest.webhook.url == null || can(regex("^(https://[^/?#\\s]+|http://(localhost|127\\.0\\.0\\.1)(:[0-9]+)?)(/[^?#\\s]*)?$", var.ingest.webhook.url))
    error_message = "ingest.webhook.url must be an https URL without a query (http:// only for localhost), or null for the function's own; got \"${coalesce(var.ingest.webhook.url, "null")}\"."
  }

  validation {
    condition     = var.ingest.package.f_port >= 1 && var.ingest.package.f_port <= 255 && floor(var.ingest.package.f_port) == var.ingest.package.f_port
    error_message = "ingest.package.f_port must be a whole number from 1 to 255 (the package's own is 198); got ${var.ingest.package.f_port}."
  }

  validation {
    condition     = length(distinct(compact(values(var.ingest.package.data_fields)))) == length(compact(values(var.ingest.package.data_fields)))
    error_message = "ingest.package.data_fields must name a different field for each value; got ${jsonencode(var.ingest.package.data_fields)}."
  }

  # A role that requires an external ID which The Things Stack is not given cannot be assumed.
  validation {
    condition     = var.ingest.mode != "package" || (var.external_id == null) == (var.ingest.package.data_fields.external_id == null)
    error_message = "external_id and ingest.package.data_fields.external_id must both be set or both be null with ingest.mode \"package\", as the package is not known to show an external id; got ${var.external_id == null ? "null" : "\"${var.external_id}\""} and ${var.ingest.package.data_fields.external_id == null ? "null" : "\"${var.ingest.package.data_fields.external_id}\""}."
  }

  validation {
    condition     = var.ingest.webhook.reserved_concurrency == null || try(var.ingest.webhook.reserved_concurrency >= 1 && floor(var.ingest.webhook.reserved_concurrency) == var.ingest.webhook.reserved_concurrency, false)
    error_message = "ingest.webhook.reserved_concurrency must be a whole number from 1, or null; got ${coalesce(var.ingest.webhook.reserved_concurrency, 0)}."
  }
}

variable "kms_key" {
  description = "Your own key in KMS, of this region, which then encrypts all secrets, queues, tables, topics, log groups and environments of functions; docs/security.md has what its policy must allow. null: keys of AWS, and a key that is created for the topic of alarms."
  type = object({
    arn = string
  })
  default = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key.arn))
    error_message = "kms_key.arn must be the ARN of a key, arn:<partition>:kms:<region>:<account>:key/<id>; got \"${try(var.kms_key.arn, "null")}\"."
  }
}

variable "limits" {
  description = "How much of what AWS IoT grants an account and region the stack uses; the defaults are 80 % of AWS's. create_thing_per_second: things created for messages that wait (quota CreateThing, 100 per second). list_things_per_second: searches of the registry (quota ListThings, 10; stacks of one account share it). registry_concurrency: invocations that bring devices in step with things, each one to two devices per second, with seven calls of The Things Stack for a new device; it limits them, not AWS, and what it answers with 429 is tried again. shadow_writes_per_second: writes of shadows with a minimum interval (Device Shadow API, 400 requests per second in most regions; 3200 where AWS grants 4000)."
  type = object({
    create_thing_per_second  = optional(number, 80)
    list_things_per_second   = optional(number, 8)
    registry_concurrency     = optional(number, 8)
    shadow_writes_per_second = optional(number, 320)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.limits.create_thing_per_second >= 1 && var.limits.create_thing_per_second <= 8000
    error_message = "limits.create_thing_per_second must be 1 to 8000; got ${var.limits.create_thing_per_second}."
  }

  validation {
    condition     = var.limits.list_things_per_second >= 2 && var.limits.list_things_per_second <= 1000
    error_message = "limits.list_things_per_second must be 2 to 1000; got ${var.limits.list_things_per_second}."
  }

  validation {
    condition     = var.limits.registry_concurrency >= 2 && var.limits.registry_concurrency <= 1000 && floor(var.limits.registry_concurrency) == var.limits.registry_concurrency
    error_message = "limits.registry_concurrency must be a whole number from 2, the least of Lambda, to 1000; got ${var.limits.registry_concurrency}."
  }

  # An invocation has 150 seconds, and each waits for its share of the searches.
  validation {
    condition     = var.limits.registry_concurrency <= 6 * var.limits.list_things_per_second
    error_message = "limits.registry_concurrency must be at most six times list_things_per_second, so that each invocation looks things up within its time; got ${var.limits.registry_concurrency}."
  }

  validation {
    condition     = var.limits.shadow_writes_per_second >= 20 && var.limits.shadow_writes_per_second <= 20000
    error_message = "limits.shadow_writes_per_second must be 20 to 20000; got ${var.limits.shadow_writes_per_second}."
  }
}

variable "observability" {
  description = "Alarms, who is notified of them, and a dashboard. alarm_actions: ARNs of what each alarm does, such as a topic of Amazon SNS that exists. emails: addresses that are notified, on a topic that is created; it is also created without alarm_actions. It is encrypted with kms_key, or with a key that is created. notify_when_over: whether the same is done when a fault is over, and once when an alarm is created. dashboard: whether there is one. device_silence: minutes without an uplink after which a device that has sent is silent, and how many silent devices are tolerated without an alarm (null: the silence of a device is not a fault). runbook: page that alarms refer to, a path or an https URL. silence_minutes: minutes without any message of The Things Stack after which an alarm fires (null: silence is not a fault). An alarm costs 0.10 USD a month: docs/alarms.md has how many there are. null: none of it."
  type = object({
    alarm_actions    = optional(list(string), [])
    dashboard        = optional(bool, true)
    device_silence   = optional(object({ minutes = number, tolerated = optional(number, 0) }))
    emails           = optional(set(string), [])
    notify_when_over = optional(bool, false)
    runbook          = optional(string, "docs/alarms.md")
    silence_minutes  = optional(number)
  })
  default = null

  validation {
    condition     = alltrue([for arn in try(var.observability.alarm_actions, []) : can(regex("^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$", arn))])
    error_message = "observability.alarm_actions must hold ARNs; got ${jsonencode(try(var.observability.alarm_actions, []))}."
  }

  validation {
    condition     = alltrue([for email in try(var.observability.emails, []) : can(regex("^[^@\\s]+@[^@\\s]+[.][^@\\s]+$", email))])
    error_message = "observability.emails must hold addresses, e.g. oncall@example.com; got ${jsonencode(try(var.observability.emails, []))}."
  }

  validation {
    condition     = var.observability == null || can(regex("^(https://)?[^\\s#:]+$", var.observability.runbook))
    error_message = "observability.runbook must be a path or an https URL, without # and spaces; got \"${try(var.observability.runbook, "null")}\"."
  }

  validation {
    condition     = try(var.observability.silence_minutes, null) == null || try(var.observability.silence_minutes >= 5 && var.observability.silence_minutes <= 1440 && floor(var.observability.silence_minutes) == var.observability.silence_minutes, false)
    error_message = "observability.silence_minutes must be a whole number from 5 to 1440 (a day), or null; got ${try(coalesce(var.observability.silence_minutes, 0), 0)}."
  }

  validation {
    condition     = try(var.observability.device_silence, null) == null || try(var.observability.device_silence.minutes >= 10 && var.observability.device_silence.minutes <= 525600 && floor(var.observability.device_silence.minutes) == var.observability.device_silence.minutes, false)
    error_message = "observability.device_silence.minutes must be a whole number from 10 to 525600 (a year); got ${try(var.observability.device_silence.minutes, 0)}."
  }

  validation {
    condition     = try(var.observability.device_silence, null) == null || try(var.observability.device_silence.tolerated >= 0 && floor(var.observability.device_silence.tolerated) == var.observability.device_silence.tolerated, false)
    error_message = "observability.device_silence.tolerated must be a whole number from 0; got ${try(var.observability.device_silence.tolerated, 0)}."
  }

  validation {
    condition     = try(var.observability.device_silence, null) == null || var.registry_sync.enabled
    error_message = "registry_sync.enabled must be true with observability.device_silence, as the comparison sees when devices have sent; got ${var.registry_sync.enabled}."
  }
}

variable "on_thing_deleted" {
  description = "What happens to a device whose thing is deleted: \"delete\" it in The Things Stack, or \"retain\" it."
  type        = string
  default     = "delete"
  nullable    = false

  validation {
    condition     = contains(["delete", "retain"], var.on_thing_deleted)
    error_message = "on_thing_deleted must be \"delete\" or \"retain\"; got \"${var.on_thing_deleted}\"."
  }
}

variable "package" {
  description = "A prebuilt zip of the functions (`make package`): a local file (filename), or an object in S3 (with its version, so that a change is seen). sha256: its SHA-256 in 64 hexadecimal digits, as sha256sum prints it; another zip fails the plan. In S3, that needs the version, and an object that was uploaded with a SHA-256. null: it is built during the apply, with python3 and pip."
  type = object({
    filename = optional(string)
    s3 = optional(object({
      bucket         = string
      key            = string
      object_version = optional(string)
    }))
    sha256 = optional(string)
  })
  default = null
}

variable "registry_sync" {
  description = "Comparison of both registries: whether, when (rate(...) or cron(...)), and whether differences are corrected (mode \"apply\") or only reported (\"report\")."
  type = object({
    enabled  = optional(bool, true)
    schedule = optional(string, "rate(10 minutes)")
    mode     = optional(string, "apply")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["apply", "report"], var.registry_sync.mode)
    error_message = "registry_sync.mode must be \"apply\" or \"report\"; got \"${var.registry_sync.mode}\"."
  }

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.registry_sync.schedule))
    error_message = "registry_sync.schedule must be a rate or a cron expression, e.g. rate(10 minutes) or cron(0 * * * ? *); got \"${var.registry_sync.schedule}\"."
  }
}

variable "releases_url" {
  description = "Where a new version is looked for: the address of the latest release of the repository that you have this module from, in the releases API of GitHub (https://api.github.com/repos/<owner>/<name>/releases/latest), GitLab or Gitea. null: nowhere."
  type        = string
  default     = null

  validation {
    condition     = var.releases_url == null || can(regex("^https://[^\\s@]+$", var.releases_url))
    error_message = "releases_url must be an https URL without credentials, or null; got \"${coalesce(var.releases_url, "null")}\"."
  }
}

variable "roles" {
  description = "Path of the IAM roles that are created, and the managed policy that bounds their permissions (null: none). The role that The Things Stack assumes has no path, as The Things Stack takes none."
  type = object({
    path                     = optional(string, "/")
    permissions_boundary_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^/([!-~]{1,510}/)?$", var.roles.path))
    error_message = "roles.path must begin and end with / and hold at most 512 printable characters, e.g. /thingbridge/; got \"${var.roles.path}\"."
  }

  validation {
    condition     = var.roles.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.roles.permissions_boundary_arn))
    error_message = "roles.permissions_boundary_arn must be the ARN of a policy, arn:<partition>:iam::<account>:policy/<name>, or null; got \"${coalesce(var.roles.permissions_boundary_arn, "null")}\"."
  }
}

variable "scrub_keys" {
  description = "Whether root keys and claim codes are removed from a thing five minutes after its device exists. Until then, whoever may describe the thing can read them."
  type        = bool
  default     = false
  nullable    = false
}

variable "shadow" {
  description = "The named shadow \"lorawan\" of a thing. metrics: report last seen, gateways, frame counters and signal. radio: gateways, rssi and snr are among them. min_interval_seconds: write it at most that often (0: with each message). decoded_payload: report the decoder's output. delta_f_port: FPort on which a changed desired.decodedPayload is sent (null: it is not sent)."
  type = object({
    metrics              = optional(bool, true)
    min_interval_seconds = optional(number, 0)
    decoded_payload      = optional(bool, false)
    delta_f_port         = optional(number)
    radio                = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.shadow.min_interval_seconds >= 0 && var.shadow.min_interval_seconds <= 900 && floor(var.shadow.min_interval_seconds) == var.shadow.min_interval_seconds
    error_message = "shadow.min_interval_seconds must be whole seconds from 1 to 900, the longest a queue delays a message, or 0 for each message; got ${var.shadow.min_interval_seconds}."
  }

  validation {
    condition     = var.shadow.min_interval_seconds == 0 || var.shadow.metrics || var.shadow.decoded_payload
    error_message = "shadow.min_interval_seconds must be 0 unless shadow.metrics or shadow.decoded_payload is true; got ${var.shadow.min_interval_seconds}."
  }

  validation {
    condition     = try(var.shadow.delta_f_port >= 1 && var.shadow.delta_f_port <= 223 && floor(var.shadow.delta_f_port) == var.shadow.delta_f_port, var.shadow.delta_f_port == null)
    error_message = "shadow.delta_f_port must be an FPort of applications, 1 to 223, or null; got ${coalesce(tostring(var.shadow.delta_f_port), "null")}."
  }

  validation {
    condition     = var.shadow.delta_f_port == null || !var.end_to_end_encryption
    error_message = "shadow.delta_f_port must be null with end_to_end_encryption, as a desired state passes through an encoder in The Things Stack, which has no key; got ${coalesce(tostring(var.shadow.delta_f_port), "null")}."
  }
}

variable "stack_name" {
  description = "Name of this integration, unique in the account and region. It is part of topics, log groups, secret names and the thing attribute stackName; changing it creates another stack."
  type        = string

  # 53, so that every name derived from it fits: a work queue's has at most 62 characters, <name>-registry.
  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,52}$", var.stack_name))
    error_message = "stack_name must begin with a letter and hold at most 53 letters, digits and dashes; got \"${var.stack_name}\"."
  }
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "thing_name_scheme" {
  description = "Name of things that are created for devices: \"DevEUI\" (<DevEUI>) or \"DeviceID\" (<stack_name>_<device ID>). Names of existing things are kept."
  type        = string
  default     = "DevEUI"
  nullable    = false

  validation {
    condition     = contains(["DevEUI", "DeviceID"], var.thing_name_scheme)
    error_message = "thing_name_scheme must be \"DevEUI\" or \"DeviceID\"; got \"${var.thing_name_scheme}\"."
  }
}

variable "thing_type_name" {
  description = "Thing type of devices. Stacks of one account may share it."
  type        = string
  default     = "lorawan"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9:_-]{1,128}$", var.thing_type_name))
    error_message = "thing_type_name must hold 1 to 128 of the characters A-Z a-z 0-9 : _ and -; got \"${var.thing_type_name}\"."
  }
}

variable "things_log_retention_in_days" {
  description = "Days that entries of the log of things are kept (0: forever)."
  type        = number
  default     = 731
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.things_log_retention_in_days)
    error_message = "things_log_retention_in_days must be a retention of CloudWatch Logs (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653); got ${var.things_log_retention_in_days}."
  }
}

variable "trusted_account_id" {
  description = "AWS account that The Things Stack acts from, for the modes that assume a role. null: that of the hosted The Things Stack that cluster_address names."
  type        = string
  default     = null

  validation {
    condition     = var.trusted_account_id == null || can(regex("^[0-9]{12}$", var.trusted_account_id))
    error_message = "trusted_account_id must be an AWS account of 12 digits; got \"${coalesce(var.trusted_account_id, "null")}\"."
  }

  validation {
    condition     = var.trusted_account_id != null || module.things_stack.hosted_account_id != null || contains(["mqtt", "webhook"], var.ingest.mode)
    error_message = "trusted_account_id must be set unless cluster_address is a hosted The Things Stack, whose account is known, or ingest.mode is \"webhook\" or \"mqtt\", which need none; got null with cluster_address \"${var.cluster_address}\" and mode \"${var.ingest.mode}\"."
  }
}

variable "uplink_batches" {
  description = "With uplink_mode \"batched\": the most messages of a batch (size), how long Lambda waits for a batch to fill (window_seconds), and the most invocations at once (maximum_concurrency), which bounds what a burst costs others of the account."
  type = object({
    size                = optional(number, 10)
    window_seconds      = optional(number, 1)
    maximum_concurrency = optional(number, 10)
  })
  default  = {}
  nullable = false

  # 100 take about two seconds. A message that is handled more than five seconds after its receipt costs a read of the shadow besides.
  validation {
    condition     = var.uplink_batches.size >= 1 && var.uplink_batches.size <= 100 && floor(var.uplink_batches.size) == var.uplink_batches.size && (var.uplink_batches.size <= 10 || var.uplink_batches.window_seconds >= 1)
    error_message = "uplink_batches.size must be a whole number from 1 to 10, or up to 100 with a window_seconds of at least 1; got ${var.uplink_batches.size}."
  }

  validation {
    condition     = var.uplink_batches.window_seconds >= 0 && var.uplink_batches.window_seconds <= 3 && floor(var.uplink_batches.window_seconds) == var.uplink_batches.window_seconds
    error_message = "uplink_batches.window_seconds must be 0, 1, 2 or 3, as a message that is handled more than 5 seconds after its receipt counts as late; got ${var.uplink_batches.window_seconds}."
  }

  validation {
    condition     = var.uplink_batches.maximum_concurrency >= 2 && var.uplink_batches.maximum_concurrency <= 1000 && floor(var.uplink_batches.maximum_concurrency) == var.uplink_batches.maximum_concurrency
    error_message = "uplink_batches.maximum_concurrency must be a whole number from 2 to 1000; got ${var.uplink_batches.maximum_concurrency}."
  }
}

variable "uplink_mode" {
  description = "How messages of The Things Stack become messages of things: \"function\" invokes the function upstream with each, \"batched\" has a queue between the rule and the function, which bounds the invocations of a burst, and with \"rules\" no function handles the uplinks of known devices, which needs their things to have the names of thing_name_scheme (docs/upstream.md)."
  type        = string
  default     = "function"
  nullable    = false

  validation {
    condition     = contains(["function", "batched", "rules"], var.uplink_mode)
    error_message = "uplink_mode must be \"function\", \"batched\" or \"rules\"; got \"${var.uplink_mode}\"."
  }

  # What the SQL of AWS IoT can't do.
  validation {
    condition     = var.uplink_mode != "rules" || !var.end_to_end_encryption
    error_message = "uplink_mode must not be \"rules\" with end_to_end_encryption, as no rule of AWS IoT can decrypt a payload; got \"${var.uplink_mode}\"."
  }

  validation {
    condition     = var.uplink_mode != "rules" || var.codecs == null
    error_message = "uplink_mode must not be \"rules\" with codecs, as no rule of AWS IoT can run them; got \"${var.uplink_mode}\"."
  }

  validation {
    condition     = var.uplink_mode != "rules" || !var.shadow.metrics || !var.shadow.radio
    error_message = "uplink_mode must not be \"rules\" unless shadow.radio or shadow.metrics is false, as no rule of AWS IoT can compare the receptions of an uplink; got \"${var.uplink_mode}\"."
  }

  validation {
    condition     = var.uplink_mode != "rules" || !var.shadow.decoded_payload
    error_message = "uplink_mode must not be \"rules\" with shadow.decoded_payload, as no rule of AWS IoT can leave out what a shadow can't hold; got \"${var.uplink_mode}\"."
  }

  validation {
    condition     = var.uplink_mode != "rules" || var.shadow.min_interval_seconds == 0
    error_message = "uplink_mode must not be \"rules\" with shadow.min_interval_seconds, as no rule of AWS IoT can wait; got \"${var.uplink_mode}\"."
  }

  validation {
    condition     = var.uplink_mode != "rules" || !var.ingest.basic_ingest || !var.shadow.metrics
    error_message = "uplink_mode must not be \"rules\" with ingest.basic_ingest unless shadow.metrics is false, as Basic Ingest does not start the rule that writes shadows; got \"${var.uplink_mode}\"."
  }
}
