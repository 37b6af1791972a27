# What the caller decides about shadows.

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
  description = "Host of the message broker of AWS IoT Core in this account and region (data source aws_iot_endpoint, type iot:Data-ATS): where the function writes shadows."
  type        = string
}

variable "limits" {
  description = "Writes of paced shadows per second, at most: a part of what AWS IoT grants an account and region (quota of Device Shadow API requests)."
  type = object({
    shadow_writes_per_second = optional(number, 320)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.limits.shadow_writes_per_second >= 20 && var.limits.shadow_writes_per_second <= 20000
    error_message = "limits.shadow_writes_per_second must be 20 to 20000; got ${var.limits.shadow_writes_per_second}."
  }
}

variable "settings" {
  description = "What is written to the shadow, and how often at most (variable shadow of the root module). min_interval_seconds: 0 writes with each message."
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
    condition     = var.settings.min_interval_seconds >= 0 && var.settings.min_interval_seconds <= 900 && floor(var.settings.min_interval_seconds) == var.settings.min_interval_seconds
    error_message = "settings.min_interval_seconds must be 0, or whole seconds from 1 to 900, the longest a queue delays a message; got ${var.settings.min_interval_seconds}."
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
