# What the caller decides about devices: their types and places, what they may do, and where they connect to.

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

variable "ca_certificate" {
  description = "Certificate (PEM) of the authority that a device checks AWS IoT Core's certificate with, part of a device's credentials. null: Amazon Root CA 1."
  type        = string
  default     = null

  validation {
    condition     = var.ca_certificate == null || can(regex("^-----BEGIN CERTIFICATE-----\\n", var.ca_certificate)) && try(length(var.ca_certificate) <= 2048, false)
    error_message = "ca_certificate must be one certificate in PEM of at most 2048 characters; got ${try(length(var.ca_certificate), 0)} characters."
  }
}

variable "fleet_indexing" {
  description = "Whether the account's fleet index is configured here, for searches by attribute, shadow, group and connectivity. An account and region has one: leave it false where another place configures it."
  type        = bool
  default     = false
  nullable    = false
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
  description = "Host of the message broker of AWS IoT Core in this account and region (data source aws_iot_endpoint, type iot:Data-ATS), or of a domain configuration of your own."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?$", var.iot_endpoint))
    error_message = "iot_endpoint must be a host without scheme and path; got \"${var.iot_endpoint}\"."
  }
}

variable "locations" {
  description = "Places that devices are grouped by. A device whose attribute location is one of them joins its group; another location is refused. Empty: locations are free, and not grouped."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for location in var.locations : can(regex("^[A-Za-z0-9_-]{1,64}$", location))])
    error_message = "locations must hold names of 1 to 64 letters, digits, _ and -; got ${jsonencode(var.locations)}."
  }
}

variable "own_policy_json" {
  description = "A policy of your own in JSON that every certificate carries as well: what devices of this stack may do beyond their own topics, shadows and jobs. It applies to devices that are registered later. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.own_policy_json == null || can(jsondecode(var.own_policy_json).Statement) && try(length(var.own_policy_json) <= 2048, false)
    error_message = "own_policy_json must be an AWS IoT policy in JSON of at most 2048 characters; got ${try(length(var.own_policy_json), 0)} characters."
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

variable "types" {
  description = "Types of devices, each a thing type <stack>:<type> and a segment of topics: a description, up to three searchable attributes, and the initial shadow in JSON ({\"desired\": …, \"reported\": …}). AWS fixes description and searchable attributes for the life of a thing type: to change them, add another type."
  type = map(object({
    description           = optional(string, "Device with a certificate of its own")
    initial_shadow_json   = optional(string)
    searchable_attributes = optional(list(string), ["location", "manufacturer", "model"])
  }))

  validation {
    condition     = length(var.types) > 0 && alltrue([for type in keys(var.types) : can(regex("^[A-Za-z0-9_-]{1,64}$", type))])
    error_message = "types must name at least one type, in 1 to 64 letters, digits, _ and -; got ${jsonencode(keys(var.types))}."
  }

  validation {
    condition     = alltrue([for type in values(var.types) : length(type.searchable_attributes) <= 3])
    error_message = "types must have at most 3 searchable_attributes each, the quota of a thing type; got ${jsonencode([for type in values(var.types) : length(type.searchable_attributes)])}."
  }

  validation {
    condition     = alltrue(flatten([for type in values(var.types) : [for name in type.searchable_attributes : can(regex("^[a-zA-Z0-9_.,@/:#-]{1,128}$", name))]]))
    error_message = "types must have searchable_attributes of 1 to 128 of the characters A-Z a-z 0-9 _ . , @ / : # and -; got ${jsonencode([for type in values(var.types) : type.searchable_attributes])}."
  }

  validation {
    condition     = alltrue([for type in values(var.types) : can(regex("^[ -~]*$", type.description)) && length(type.description) <= 2028])
    error_message = "types must have a description of at most 2028 printable ASCII characters each; got ${jsonencode([for type in values(var.types) : length(type.description)])} characters."
  }

  validation {
    condition     = alltrue([for type in values(var.types) : type.initial_shadow_json == null || length(setsubtract(try(keys(jsondecode(type.initial_shadow_json)), ["?"]), ["desired", "reported"])) == 0])
    error_message = "types must have an initial_shadow_json that is an object of desired and reported alone; got ${jsonencode([for type in values(var.types) : type.initial_shadow_json])}."
  }
}
