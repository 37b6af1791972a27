# What a user says about a stack. Grammar and limits are checked here; what only the other side knows (whether the key is
# right, whether the cluster answers) is checked by the configure function during the apply.

variable "application_api_key" {
  description = "API key of the application, with the rights the README lists. Written to Secrets Manager, never kept in a plan or a state. Give this or application_api_key_secret_arn."
  type        = string
  default     = null
  ephemeral   = true

  validation {
    condition     = (var.application_api_key == null) != (var.application_api_key_secret_arn == null)
    error_message = "application_api_key and application_api_key_secret_arn: give exactly one of the two."
  }

  validation {
    condition     = var.application_api_key == null || can(regex("^[!-~]+$", var.application_api_key))
    error_message = "application_api_key (its value is not shown) is empty or holds a space, a line end or a character outside ASCII: paste the key alone."
  }
}

variable "application_api_key_secret_arn" {
  description = "ARN of a secret of yours whose string is the API key. It must be known when planning: take it from a data source, not from a resource of the same apply."
  type        = string
  default     = null

  validation {
    condition     = var.application_api_key_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", var.application_api_key_secret_arn))
    error_message = "application_api_key_secret_arn \"${coalesce(var.application_api_key_secret_arn, "null")}\" is no ARN of a secret: write it like arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<suffix>."
  }
}

variable "application_api_key_version" {
  description = "Raise it when the API key has changed: the new key is written, checked, and used from then on."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.application_api_key_version >= 1 && floor(var.application_api_key_version) == var.application_api_key_version
    error_message = "application_api_key_version ${var.application_api_key_version} is no version: count in whole numbers from 1."
  }
}

variable "application_id" {
  description = "Application of The Things Stack whose devices become things."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9](?:-?[a-z0-9]){2,}$", var.application_id)) && length(var.application_id) <= 36
    error_message = "application_id \"${var.application_id}\" is no application ID: The Things Stack takes 3 to 36 lower-case letters and digits, with single dashes between them; copy it from the Console."
  }
}

variable "cluster_address" {
  description = "Cluster of The Things Stack: a host, host:port or URL, e.g. \"eu1.cloud.thethings.network\". http:// only for localhost."
  type        = string

  validation {
    condition     = can(regex("^(https?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$", var.cluster_address))
    error_message = "cluster_address \"${var.cluster_address}\" is no cluster: write a host, host:port, or http(s)://host:port without a path, e.g. eu1.cloud.thethings.network."
  }

  validation {
    condition     = !startswith(var.cluster_address, "http://") || can(regex("^http://(localhost|127\\.0\\.0\\.1)(:[0-9]+)?/?$", var.cluster_address))
    error_message = "cluster_address \"${var.cluster_address}\" would send the API key in clear: http:// is for localhost and 127.0.0.1 alone; write https://."
  }

  validation {
    condition     = !can(regex("^(https://)?((nam|sam|eu|af|as|au)[0-9]+\\.)?cloud\\.thethings\\.industries(:[0-9]+)?/?$", lower(var.cluster_address)))
    error_message = "cluster_address \"${var.cluster_address}\" names no tenant: The Things Stack Cloud is addressed as <tenant>.<cluster>.cloud.thethings.industries; put your tenant in front."
  }
}

variable "codecs" {
  description = "Decoders of yours for devices whose formatter is not in The Things Stack: a folder of Python files (docs/codecs.md). null: none."
  type = object({
    source_path = string
  })
  default = null

  validation {
    condition     = var.codecs == null || try(length(fileset(var.codecs.source_path, "**/*.py")) > 0, false)
    error_message = "codecs.source_path \"${try(var.codecs.source_path, "null")}\" holds no Python file: give the folder of your decoders, or leave codecs out."
  }

  validation {
    condition     = var.codecs == null || var.package == null
    error_message = "codecs can't be put into the prebuilt zip that package names: put them into its folder device_codecs when you build it, or leave package out."
  }
}

variable "create_thing_type" {
  description = "Whether the thing type is this stack's business: made when missing, taken over when there, left on destroy. false: somebody else's, neither made nor changed."
  type        = bool
  default     = true
  nullable    = false
}

variable "default_frequency_plan_id" {
  description = "Frequency plan of devices created from AWS that name none. null: the usual one of the AWS region."
  type        = string
  default     = null

  validation {
    condition     = var.default_frequency_plan_id == null || can(regex("^[A-Z0-9_]+$", var.default_frequency_plan_id))
    error_message = "default_frequency_plan_id \"${coalesce(var.default_frequency_plan_id, "null")}\" is no frequency plan: write an ID of The Things Stack, upper-case letters, digits and _, e.g. EU_863_870_TTN."
  }

  validation {
    condition     = var.default_frequency_plan_id != null || contains(keys(local.frequency_plans), local.aws.region)
    error_message = "AWS region \"${local.aws.region}\" has no usual frequency plan: set default_frequency_plan_id, e.g. EU_863_870_TTN."
  }
}

variable "enable_registry_events" {
  description = "Whether AWS IoT is told to publish an event when a thing is created, changed or deleted: without them, no device follows its thing. Other types of event are left as they are. false: somebody else switches them on."
  type        = bool
  default     = true
  nullable    = false
}

variable "end_to_end_encryption" {
  description = "Whether payloads are encrypted end to end: session keys reach this stack wrapped with a key of its own, The Things Stack reads no payload, and runs no payload formatter. It needs a Join Server in the cluster, and holds for each device from its next join on."
  type        = bool
  default     = false
  nullable    = false
}

variable "external_id" {
  description = "External id The Things Stack shows when it assumes the role. null: one is drawn at random and kept; with ingest.mode \"package\" none is asked for."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || (can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", var.external_id)) && try(length(var.external_id), 0) <= 1224)
    error_message = "external_id \"${coalesce(var.external_id, "null")}\" is no external id: write 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / and -."
  }
}

variable "functions" {
  description = "How the functions run: processor (\"arm64\" or \"x86_64\"), least severe message logged, memory in MB, runtime."
  type = object({
    architecture = optional(string, "arm64")
    log_level    = optional(string, "INFO")
    memory_size  = optional(number, 512)
    runtime      = optional(string, "python3.13")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.functions.architecture)
    error_message = "functions.architecture \"${var.functions.architecture}\" is none of Lambda's: take \"arm64\" or \"x86_64\"."
  }

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.functions.log_level)
    error_message = "functions.log_level \"${var.functions.log_level}\" is not known: take \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"."
  }

  validation {
    condition     = var.functions.memory_size >= 128 && var.functions.memory_size <= 10240 && floor(var.functions.memory_size) == var.functions.memory_size
    error_message = "functions.memory_size ${var.functions.memory_size}: Lambda takes whole numbers from 128 to 10240."
  }

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.functions.runtime))
    error_message = "functions.runtime \"${var.functions.runtime}\" does not run this code: take \"python3.11\" or later, as Lambda has it."
  }
}

variable "identity_server_address" {
  description = "Identity Server of The Things Stack, written like cluster_address. null: derived from it (the hosted ones have it in eu1)."
  type        = string
  default     = null

  validation {
    condition     = var.identity_server_address == null || can(regex("^(https?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$", var.identity_server_address))
    error_message = "identity_server_address \"${coalesce(var.identity_server_address, "null")}\" is no server: write a host, host:port, or http(s)://host:port without a path, or leave it out."
  }

  validation {
    condition     = !startswith(coalesce(var.identity_server_address, "-"), "http://") || can(regex("^http://(localhost|127\\.0\\.0\\.1)(:[0-9]+)?/?$", var.identity_server_address))
    error_message = "identity_server_address \"${coalesce(var.identity_server_address, "null")}\" would send the API key in clear: http:// is for localhost and 127.0.0.1 alone; write https://."
  }
}

variable "ingest" {
  description = "How messages come in, and what one way needs to know: docs/ways-in.md tells which to choose. mode \"pubsub\", \"package\" and \"manual\": with the cross-account role; \"webhook\": posted to a function's URL; \"mqtt\": with a client certificate. All but \"manual\" are configured in The Things Stack by the apply."
  type = object({
    mode = optional(string, "pubsub")
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
    webhook = optional(object({
      reserved_concurrency = optional(number)
      secret_version       = optional(number, 1)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["pubsub", "package", "webhook", "mqtt", "manual"], var.ingest.mode)
    error_message = "ingest.mode \"${var.ingest.mode}\" is not known: take \"pubsub\", \"package\", \"webhook\", \"mqtt\" or \"manual\"."
  }

  # The regions with a usual frequency plan are those The Things Stack's API enumerates.
  validation {
    condition     = var.ingest.mode != "pubsub" || contains(keys(local.frequency_plans), local.aws.region)
    error_message = "ingest.mode \"pubsub\" does not reach AWS region \"${local.aws.region}\": The Things Stack connects to ${join(", ", keys(local.frequency_plans))}; take one of these, or mode \"webhook\"."
  }

  validation {
    condition     = var.ingest.mqtt.server_url == null || can(regex("^mqtts://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$", var.ingest.mqtt.server_url))
    error_message = "ingest.mqtt.server_url \"${coalesce(var.ingest.mqtt.server_url, "null")}\" is no MQTT server with TLS: write mqtts://host:port, or leave it out for AWS IoT's own."
  }

  # applicationserver_pubsub.proto: 8192 bytes for a PEM.
  validation {
    condition     = var.ingest.mqtt.ca_certificate == null || (can(regex("^\\s*-----BEGIN CERTIFICATE-----", var.ingest.mqtt.ca_certificate)) && try(length(var.ingest.mqtt.ca_certificate), 0) <= 8192)
    error_message = "ingest.mqtt.ca_certificate \"${substr(coalesce(var.ingest.mqtt.ca_certificate, "null"), 0, 30)}…\" is no certificate in PEM of up to 8192 bytes: begin with -----BEGIN CERTIFICATE-----."
  }

  validation {
    condition     = alltrue([for version in [var.ingest.mqtt.certificate_version, var.ingest.webhook.secret_version] : version >= 1 && floor(version) == version])
    error_message = "ingest.mqtt.certificate_version ${var.ingest.mqtt.certificate_version}, ingest.webhook.secret_version ${var.ingest.webhook.secret_version}: count in whole numbers from 1."
  }

  validation {
    condition     = var.ingest.package.f_port >= 1 && var.ingest.package.f_port <= 255 && floor(var.ingest.package.f_port) == var.ingest.package.f_port
    error_message = "ingest.package.f_port ${var.ingest.package.f_port} is no FPort: take a whole number from 1 to 255; the package's own is 198."
  }

  validation {
    condition     = length(distinct(compact(values(var.ingest.package.data_fields)))) == length(compact(values(var.ingest.package.data_fields)))
    error_message = "ingest.package.data_fields ${jsonencode(var.ingest.package.data_fields)} names one field twice: each value has a field of its own."
  }

  # A role that asks for an id which nobody is told can be assumed by nobody.
  validation {
    condition     = var.ingest.mode != "package" || (var.external_id == null) == (var.ingest.package.data_fields.external_id == null)
    error_message = "external_id is ${var.external_id == null ? "null" : "set"} and ingest.package.data_fields.external_id is ${var.ingest.package.data_fields.external_id == null ? "null" : "set"}: with mode \"package\" give both, or neither, as the package is not known to show an external id."
  }

  validation {
    condition     = var.ingest.webhook.reserved_concurrency == null || try(var.ingest.webhook.reserved_concurrency >= 1 && floor(var.ingest.webhook.reserved_concurrency) == var.ingest.webhook.reserved_concurrency, false)
    error_message = "ingest.webhook.reserved_concurrency ${coalesce(var.ingest.webhook.reserved_concurrency, 0)}: write a whole number from 1, or leave it out."
  }
}

variable "on_thing_deleted" {
  description = "What becomes of a device whose thing is deleted: \"delete\" it in The Things Stack, or \"retain\" it."
  type        = string
  default     = "delete"
  nullable    = false

  validation {
    condition     = contains(["delete", "retain"], var.on_thing_deleted)
    error_message = "on_thing_deleted \"${var.on_thing_deleted}\" is not known: take \"delete\" or \"retain\"."
  }
}

variable "package" {
  description = "A prebuilt zip of the functions: a local file, or an object in S3 (with its version, or the base64 SHA-256 of the zip, so that a change is seen). null: it is built during the apply, with python3 and pip."
  type = object({
    filename = optional(string)
    s3 = optional(object({
      bucket           = string
      key              = string
      object_version   = optional(string)
      source_code_hash = optional(string)
    }))
  })
  default = null

  validation {
    condition     = var.package == null || try((var.package.filename == null) != (var.package.s3 == null), false)
    error_message = "package names ${try(var.package.filename, null) == null ? "neither a file nor an object in S3" : "a file and an object in S3"}: give filename or s3."
  }
}

variable "registry_sync" {
  description = "Comparing both registries: whether, when (rate(...) or cron(...)), and whether what is not in step is mended (mode \"apply\") or only counted (\"report\")."
  type = object({
    enabled  = optional(bool, true)
    schedule = optional(string, "rate(10 minutes)")
    mode     = optional(string, "apply")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["apply", "report"], var.registry_sync.mode)
    error_message = "registry_sync.mode \"${var.registry_sync.mode}\" is not known: take \"apply\" or \"report\"."
  }

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.registry_sync.schedule))
    error_message = "registry_sync.schedule \"${var.registry_sync.schedule}\" is no schedule: write rate(10 minutes) or cron(0 * * * ? *)."
  }
}

variable "scrub_keys" {
  description = "Whether root keys and claim codes are taken off a thing once its device exists. As long as they are there, whoever may describe the thing can read them."
  type        = bool
  default     = false
  nullable    = false
}

variable "shadow" {
  description = "The named shadow \"lorawan\" of a thing. metrics: report last seen, gateways, frame counters and signal. min_interval_seconds: write it at most that often (0: with each message). decoded_payload: report the decoder's output. delta_f_port: FPort on which a changed desired.decodedPayload is sent (null: it is not)."
  type = object({
    metrics              = optional(bool, true)
    min_interval_seconds = optional(number, 0)
    decoded_payload      = optional(bool, false)
    delta_f_port         = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.shadow.min_interval_seconds >= 0 && var.shadow.min_interval_seconds <= 900 && floor(var.shadow.min_interval_seconds) == var.shadow.min_interval_seconds
    error_message = "shadow.min_interval_seconds ${var.shadow.min_interval_seconds}: take whole seconds from 1 to 900, the longest a queue holds a message back, or 0 for each message."
  }

  validation {
    condition     = var.shadow.min_interval_seconds == 0 || var.shadow.metrics || var.shadow.decoded_payload
    error_message = "shadow.min_interval_seconds ${var.shadow.min_interval_seconds} has nothing to write: switch on metrics or decoded_payload, or leave it out."
  }

  validation {
    condition     = try(var.shadow.delta_f_port >= 1 && var.shadow.delta_f_port <= 223 && floor(var.shadow.delta_f_port) == var.shadow.delta_f_port, var.shadow.delta_f_port == null)
    error_message = "shadow.delta_f_port ${coalesce(tostring(var.shadow.delta_f_port), "null")}: LoRaWAN gives applications FPort 1 to 223; take one of these, or null."
  }

  validation {
    condition     = var.shadow.delta_f_port == null || !var.end_to_end_encryption
    error_message = "shadow.delta_f_port ${coalesce(tostring(var.shadow.delta_f_port), "null")}: a desired state goes through an encoder in The Things Stack, which knows no key under end_to_end_encryption; leave one of the two out."
  }
}

variable "stack_name" {
  description = "Name of this integration, unique in the account and region. It stands in topics, log groups, secret names and the thing attribute stackName; changing it makes another stack."
  type        = string

  # 40, so that the longest name derived from it (a rule's role) keeps within 64.
  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,39}$", var.stack_name))
    error_message = "stack_name \"${var.stack_name}\" is no stack name: begin with a letter, go on with letters, digits and dashes, 40 characters at most."
  }
}

variable "tags" {
  description = "Tags of everything that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "thing_name_scheme" {
  description = "Name of things made for devices: \"DevEUI\" (<DevEUI>) or \"DeviceID\" (<stack_name>_<device ID>). Names that you gave are kept."
  type        = string
  default     = "DevEUI"
  nullable    = false

  validation {
    condition     = contains(["DevEUI", "DeviceID"], var.thing_name_scheme)
    error_message = "thing_name_scheme \"${var.thing_name_scheme}\" is not known: take \"DevEUI\" or \"DeviceID\"."
  }
}

variable "thing_type_name" {
  description = "Thing type of devices. Stacks of one account may share it."
  type        = string
  default     = "lorawan"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9:_-]{1,128}$", var.thing_type_name))
    error_message = "thing_type_name \"${var.thing_type_name}\" is no thing type name: AWS IoT takes 1 to 128 of the characters A-Z a-z 0-9 : _ and -; replace the others."
  }
}

variable "trusted_account_id" {
  description = "AWS account The Things Stack acts from, for the ways in that assume a role. null: that of the hosted The Things Stack cluster_address names."
  type        = string
  default     = null

  validation {
    condition     = var.trusted_account_id == null || can(regex("^[0-9]{12}$", var.trusted_account_id))
    error_message = "trusted_account_id \"${coalesce(var.trusted_account_id, "null")}\" is no AWS account: write its 12 digits."
  }

  validation {
    condition     = var.trusted_account_id != null || local.hosted_account_id != null || !local.with_role
    error_message = "cluster_address \"${var.cluster_address}\" is no hosted The Things Stack, so nobody knows its AWS account: set trusted_account_id to the account it acts from, or take ingest.mode \"webhook\" or \"mqtt\", which need none."
  }
}
