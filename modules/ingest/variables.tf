# What the caller decides about the mode, and what each mode needs.

variable "alarms" {
  description = "What alarms do (output alarms of the module observability): ARNs of the actions when a fault begins and when it is over, and where the runbook is. null: no alarms."
  type = object({
    actions    = list(string)
    ok_actions = optional(list(string), [])
    runbook    = optional(string, "docs/alarms.md")
  })
  default = null
}

variable "aws" {
  description = "Partition, region and account that everything is created in, the key in KMS that encrypts it (null: keys of AWS), and path and permissions boundary of the roles."
  type = object({
    partition  = string
    region     = string
    account_id = string
    kms_key = optional(object({
      arn = string
    }))
    roles = optional(object({
      path                     = optional(string, "/")
      permissions_boundary_arn = optional(string)
    }), {})
  })
}

variable "base_topic" {
  description = "Topic below which The Things Stack publishes (output base_topic of the module things_stack)."
  type        = string

  validation {
    condition     = can(regex("^[^/*?+#]+(/[^/*?+#]+)*$", var.base_topic))
    error_message = "base_topic must be a topic without wildcards; got \"${var.base_topic}\"."
  }
}

variable "basic_ingest" {
  description = "Modes \"webhook\" and \"mqtt\": messages start the rule of the module upstream directly, by Basic Ingest, which AWS IoT does not charge as messages. Nobody can subscribe to them on the way in, and no other rule reads them."
  type        = bool
  default     = false
  nullable    = false

  # The topics of the others are The Things Stack's own.
  validation {
    condition     = !var.basic_ingest || contains(["mqtt", "webhook"], var.mode)
    error_message = "basic_ingest must be false unless mode is \"webhook\" or \"mqtt\": with the others The Things Stack decides on the topics; got true with mode \"${var.mode}\"."
  }
}

variable "client_id_pattern" {
  description = "MQTT client ids that The Things Stack may connect with when it assumes the role, * as wildcard. Its documentation promises only that they are random."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[!-~]{1,128}$", var.client_id_pattern))
    error_message = "client_id_pattern must hold 1 to 128 printable characters without spaces, * as wildcard; got \"${var.client_id_pattern}\"."
  }
}

variable "configure_role_name" {
  description = "Role of the function configure: it receives the rights that the mode needs (output role_name of the module configure)."
  type        = string
}

variable "external_id" {
  description = "External id that The Things Stack must show when it assumes the role. null: one is generated at random and kept; with mode \"package\" none is required."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || (can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", var.external_id)) && try(length(var.external_id), 0) <= 1224)
    error_message = "external_id must hold 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / and -; got \"${coalesce(var.external_id, "null")}\"."
  }
}

variable "functions" {
  description = "What all functions share: the zip (output code of the module package), processor (\"arm64\" or \"x86_64\"), runtime, memory in MB, least severe level that is logged, days that log entries are kept (0: forever), the configuration that their signature is checked with, tracing by X-Ray (\"Active\" or \"PassThrough\"), and subnets and security groups of a VPC (null: outside of any)."
  type = object({
    architecture = optional(string, "arm64")
    code = object({
      filename          = optional(string)
      s3_bucket         = optional(string)
      s3_key            = optional(string)
      s3_object_version = optional(string)
      source_code_hash  = optional(string)
    })
    code_signing_config_arn = optional(string)
    log_level               = optional(string, "INFO")
    log_retention_in_days   = optional(number, 30)
    memory_size             = optional(number, 512)
    runtime                 = optional(string, "python3.13")
    tracing                 = optional(string, "PassThrough")
    vpc = optional(object({
      security_group_ids = list(string)
      subnet_ids         = list(string)
    }))
  })
}

variable "iot_endpoint" {
  description = "Host of the message broker of AWS IoT Core in this account and region (data source aws_iot_endpoint, type iot:Data-ATS): where the webhook publishes, and where an MQTT client connects to unless mqtt.server_url names another one."
  type        = string
}

variable "mode" {
  description = "How messages are received: \"pubsub\", \"package\" and \"manual\" with the cross-account role, \"webhook\" through a function's URL, \"mqtt\" with a client certificate over one connection, of which AWS IoT takes 100 messages per second."
  type        = string

  validation {
    condition     = contains(["pubsub", "package", "webhook", "mqtt", "manual"], var.mode)
    error_message = "mode must be \"pubsub\", \"package\", \"webhook\", \"mqtt\" or \"manual\"; got \"${var.mode}\"."
  }
}

variable "mqtt" {
  description = "Mode \"mqtt\": MQTT server (null: AWS IoT's own), its certificate authority (PEM; null: those that The Things Stack trusts), and the number that is raised to have a new certificate."
  type = object({
    ca_certificate      = optional(string)
    certificate_version = optional(number, 1)
    server_url          = optional(string)
  })
  default  = {}
  nullable = false
}

variable "package" {
  description = "Mode \"package\": FPort of the association, and the names under which its data holds region, stack_name, role_arn and external_id (null: not at all)."
  type = object({
    data_fields = optional(object({
      external_id = optional(string)
      region      = optional(string, "region")
      role_arn    = optional(string, "role_arn")
      stack_name  = optional(string, "stack_name")
    }), {})
    f_port = optional(number, 198)
  })
  default  = {}
  nullable = false
}

variable "pubsub" {
  description = "Mode \"pubsub\": whoever runs the cluster says that its Pub/Sub has the provider aws_iot; required with that mode."
  type = object({
    has_aws_iot_provider = optional(bool, false)
  })
  default  = {}
  nullable = false

  # The open source accepts the provider and publishes nothing, and its API does not say which providers work.
  validation {
    condition     = var.mode != "pubsub" || var.pubsub.has_aws_iot_provider == true
    error_message = "pubsub.has_aws_iot_provider must be true with mode \"pubsub\": few Enterprise deployments have the provider aws_iot, the open source accepts it and delivers no message, and the apply can't see the difference. Ask whoever runs the cluster, or choose mode \"webhook\", which every deployment has; got ${coalesce(var.pubsub.has_aws_iot_provider, false)}."
  }
}

variable "stack" {
  description = "The integration: its name, unique in the account and region, and the thing type and naming scheme (\"DevEUI\" or \"DeviceID\") of its things."
  type = object({
    name              = string
    thing_type_name   = optional(string, "lorawan")
    thing_name_scheme = optional(string, "DevEUI")
  })

  # 53, so that every name derived from it fits: a work queue's has at most 62 characters, <name>-registry.
  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,52}$", var.stack.name))
    error_message = "stack.name must begin with a letter and hold at most 53 letters, digits and dashes; got \"${var.stack.name}\"."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9:_-]{1,128}$", var.stack.thing_type_name))
    error_message = "stack.thing_type_name must hold 1 to 128 of the characters A-Z a-z 0-9 : _ and -; got \"${var.stack.thing_type_name}\"."
  }

  validation {
    condition     = contains(["DevEUI", "DeviceID"], var.stack.thing_name_scheme)
    error_message = "stack.thing_name_scheme must be \"DevEUI\" or \"DeviceID\"; got \"${var.stack.thing_name_scheme}\"."
  }
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "things_stack" {
  description = "The application at The Things Stack (output application of the module things_stack): its ID, the URLs of its servers, the secret of its API key with the number that is raised when the key changes, and the grant of a function that calls it."
  type = object({
    application_id          = string
    cluster_address         = string
    identity_server_address = string
    api_key = object({
      secret_arn = string
      version    = number
    })
    use = object({
      environment = map(string)
      policy_json = string
    })
  })

  validation {
    condition     = can(regex("^https?://[^/]+$", var.things_stack.cluster_address))
    error_message = "things_stack.cluster_address must be a URL without a path, e.g. https://eu1.cloud.thethings.network; got \"${var.things_stack.cluster_address}\"."
  }

  validation {
    condition     = can(regex("^https?://[^/]+$", var.things_stack.identity_server_address))
    error_message = "things_stack.identity_server_address must be a URL without a path, e.g. https://eu1.cloud.thethings.network; got \"${var.things_stack.identity_server_address}\"."
  }
}

variable "trusted_account_id" {
  description = "AWS account that The Things Stack acts from. null: none, for a mode that assumes no role."
  type        = string
  default     = null

  validation {
    condition     = var.trusted_account_id == null ? !contains(["manual", "package", "pubsub"], var.mode) : can(regex("^[0-9]{12}$", var.trusted_account_id))
    error_message = "trusted_account_id must be an AWS account of 12 digits when mode is \"manual\", \"package\" or \"pubsub\"; got \"${coalesce(var.trusted_account_id, "null")}\"."
  }
}

variable "webhook" {
  description = "Mode \"webhook\": what receives, \"function\" (a function behind a public URL) or \"iot_core\" (AWS IoT Core itself, with a token that an authorizer admits); maximum number of concurrent invocations of that function (null: no limit of its own), the number that is raised to generate a new secret or token, and the URL that leads to the receiver's own (null: The Things Stack posts to the receiver's own)."
  type = object({
    receiver             = optional(string, "function")
    reserved_concurrency = optional(number)
    secret_version       = optional(number, 1)
    url                  = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["function", "iot_core"], var.webhook.receiver)
    error_message = "webhook.receiver must be \"function\" or \"iot_core\"; got \"${var.webhook.receiver}\"."
  }

  # Developer guide, "Lambda function URLs".
  validation {
    condition     = var.mode != "webhook" || var.webhook.receiver != "function" || !contains(["ap-south-2", "ap-southeast-4", "ap-southeast-5", "ca-west-1", "eu-central-2", "eu-south-2", "il-central-1", "me-central-1"], var.aws.region)
    error_message = "webhook.receiver must be \"iot_core\" where Lambda has no function URLs, or the mode another one; got \"function\" in the region \"${var.aws.region}\"."
  }

  # AWS IoT Core admits by signature before it invokes anything: there is no function that strangers could occupy.
  validation {
    condition     = var.webhook.receiver != "iot_core" || var.webhook.reserved_concurrency == null
    error_message = "webhook.reserved_concurrency must be null with webhook.receiver \"iot_core\", as no function receives; got ${coalesce(var.webhook.reserved_concurrency, 0)}."
  }
}
