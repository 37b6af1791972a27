# What the caller decides about the stack, and the grants of what the function works with.

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

variable "batches" {
  description = "With mode \"batched\": the most messages of a batch, how long Lambda waits for a batch to fill, and the most invocations at once."
  type = object({
    size                = optional(number, 10)
    window_seconds      = optional(number, 1)
    maximum_concurrency = optional(number, 10)
  })
  default  = {}
  nullable = false

  # 100 take about two seconds. A message that is handled more than five seconds after its receipt costs a read of the shadow besides.
  validation {
    condition     = var.batches.size >= 1 && var.batches.size <= 100 && floor(var.batches.size) == var.batches.size && (var.batches.size <= 10 || var.batches.window_seconds >= 1)
    error_message = "batches.size must be a whole number from 1 to 10, or up to 100 with a window_seconds of at least 1; got ${var.batches.size}."
  }

  validation {
    condition     = var.batches.window_seconds >= 0 && var.batches.window_seconds <= 3 && floor(var.batches.window_seconds) == var.batches.window_seconds
    error_message = "batches.window_seconds must be 0, 1, 2 or 3, as a message that is handled more than 5 seconds after its receipt counts as late; got ${var.batches.window_seconds}."
  }

  validation {
    condition     = var.batches.maximum_concurrency >= 2 && var.batches.maximum_concurrency <= 1000 && floor(var.batches.maximum_concurrency) == var.batches.maximum_concurrency
    error_message = "batches.maximum_concurrency must be a whole number from 2 to 1000; got ${var.batches.maximum_concurrency}."
  }
}

variable "configure" {
  description = "The function that waits for what is left on the former way before another mode deletes it, and its role (outputs function_name and role_name of the module configure). null: it is deleted with what waits in it."
  type = object({
    function_name = string
    role_name     = string
  })
  default = null
}

variable "directory" {
  description = "Grant to find the things of messages (output messages of the module directory)."
  type = object({
    environment = map(string)
    policy_json = string
  })
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
  description = "Host of the message broker of AWS IoT Core in this account and region (data source aws_iot_endpoint, type iot:Data-ATS): where the function publishes and writes shadows."
  type        = string
}

variable "limits" {
  description = "Calls per second that the stack makes at most of what AWS IoT grants an account and region: creations of things by messages that wait (quota CreateThing), and searches (quota ListThings), of which they take half."
  type = object({
    create_thing_per_second = optional(number, 80)
    list_things_per_second  = optional(number, 8)
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
}

variable "mode" {
  description = "How messages get from the rule to the function: \"function\" invokes it with each, \"batched\" has a queue between both, and with \"rules\" the uplinks of known devices do without the function."
  type        = string
  default     = "function"
  nullable    = false

  validation {
    condition     = contains(["function", "batched", "rules"], var.mode)
    error_message = "mode must be \"function\", \"batched\" or \"rules\"; got \"${var.mode}\"."
  }

  validation {
    condition     = var.mode != "rules" || var.end_to_end_encryption == null
    error_message = "mode must not be \"rules\" with end_to_end_encryption, as no rule of AWS IoT can decrypt a payload; got \"${var.mode}\"."
  }
}

variable "publishes_per_second" {
  description = "How many messages per second can arrive (output publishes_per_second of the module ingest): an alarm fires at 80 % of it. null: not limited by a connection."
  type        = number
  default     = null
}

variable "shadow" {
  description = "Grant to write shadows (output use of the module shadow)."
  type = object({
    environment = map(string)
    policy_json = string
  })
}

variable "shadow_metrics" {
  description = "With mode \"rules\": whether a rule reports the fields of uplinks that need no comparison of receptions (devAddr, fCntUp, lastSeen, sessionID)."
  type        = bool
  default     = false
  nullable    = false
}

variable "silence_minutes" {
  description = "Minutes without any message of The Things Stack after which an alarm fires. null: silence is not a fault."
  type        = number
  default     = null

  validation {
    condition     = var.silence_minutes == null || try(var.silence_minutes >= 5 && var.silence_minutes <= 1440 && floor(var.silence_minutes) == var.silence_minutes, false)
    error_message = "silence_minutes must be a whole number from 5 to 1440 (a day), or null; got ${coalesce(var.silence_minutes, 0)}."
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
