# What the caller decides about downlinks, and the grants of what the function works with.

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

variable "delta_f_port" {
  description = "FPort on which a changed desired state of a shadow is sent. null: desired states are not followed."
  type        = number
  default     = null

  validation {
    condition     = try(var.delta_f_port >= 1 && var.delta_f_port <= 223 && floor(var.delta_f_port) == var.delta_f_port, var.delta_f_port == null)
    error_message = "delta_f_port must be an FPort of applications, 1 to 223, or null; got ${coalesce(tostring(var.delta_f_port), "null")}."
  }
}

variable "end_to_end_encryption" {
  description = "What a function needs for end-to-end encryption (of the module end_to_end_encryption, output messages to decrypt, downlinks to encrypt): its grant and layers. null: payloads are not encrypted end to end."
  type = object({
    layer_arns = list(string)
    use = object({
      environment = map(string)
      policy_json = string
    })
  })
  default = null
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
  description = "Host of the message broker of AWS IoT Core in this account and region (data source aws_iot_endpoint, type iot:Data-ATS): where the function answers requests and follows shadows."
  type        = string
}

variable "settings" {
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
    condition     = var.settings.concurrency >= 2 && var.settings.concurrency <= 1000 && floor(var.settings.concurrency) == var.settings.concurrency
    error_message = "settings.concurrency must be a whole number from 2, the least of Lambda, to 1000; got ${var.settings.concurrency}."
  }

  validation {
    condition     = var.settings.hold_seconds >= 0 && var.settings.hold_seconds <= 60
    error_message = "settings.hold_seconds must be 0 to 60; got ${var.settings.hold_seconds}."
  }

  validation {
    condition     = var.settings.maximum_age_seconds >= 60 && var.settings.maximum_age_seconds <= 21600
    error_message = "settings.maximum_age_seconds must be 60 to 21600; got ${var.settings.maximum_age_seconds}."
  }

  validation {
    condition     = try(var.settings.rate_per_minute >= 1, var.settings.rate_per_minute == null)
    error_message = "settings.rate_per_minute must be at least 1, or null for a part of the limit that The Things Stack reports; got ${coalesce(var.settings.rate_per_minute, 0)}."
  }

  # An invocation has 300 seconds, of which each instance waits for its share of the rate.
  validation {
    condition     = try(60 * var.settings.concurrency / var.settings.rate_per_minute <= 240, true)
    error_message = "settings.concurrency must be at most four times rate_per_minute, so that each instance sends within an invocation; got ${var.settings.concurrency}."
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

variable "things_log" {
  description = "Grant to write to the log of things (output use of the module log_group)."
  type = object({
    environment = map(string)
    policy_json = string
  })
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
