# What the caller decides about the function.

variable "alarms" {
  description = "What alarms do (output alarms of the module observability): ARNs of the actions when a fault begins and when it is over, and where the runbook is. null: no alarms."
  type = object({
    actions    = list(string)
    ok_actions = optional(list(string), [])
    runbook    = optional(string, "docs/alarms.md")
  })
  default = null
}

variable "asynchronous_invocation" {
  description = "Retries of asynchronous invocations: how long and how often Lambda retries an event, and how long the failure queue keeps those that failed. null: the function is only invoked synchronously or from a queue, and has no failure queue."
  type = object({
    maximum_event_age_in_seconds = optional(number, 21600)
    maximum_retry_attempts       = optional(number, 2)
    failure_retention_in_days    = optional(number, 14)
  })
  default = null

  validation {
    condition     = var.asynchronous_invocation == null || try(var.asynchronous_invocation.maximum_event_age_in_seconds >= 60 && var.asynchronous_invocation.maximum_event_age_in_seconds <= 21600, false)
    error_message = "asynchronous_invocation.maximum_event_age_in_seconds must be 60 to 21600; got ${try(var.asynchronous_invocation.maximum_event_age_in_seconds, "null")}."
  }

  validation {
    condition     = var.asynchronous_invocation == null || try(contains([0, 1, 2], var.asynchronous_invocation.maximum_retry_attempts), false)
    error_message = "asynchronous_invocation.maximum_retry_attempts must be 0, 1 or 2; got ${try(var.asynchronous_invocation.maximum_retry_attempts, "null")}."
  }

  validation {
    condition     = var.asynchronous_invocation == null || try(var.asynchronous_invocation.failure_retention_in_days >= 1 && var.asynchronous_invocation.failure_retention_in_days <= 14, false)
    error_message = "asynchronous_invocation.failure_retention_in_days must be 1 to 14, the longest SQS keeps a message; got ${try(var.asynchronous_invocation.failure_retention_in_days, "null")}."
  }
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

variable "description" {
  description = "Purpose of the function, shown in the console."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = length(var.description) <= 256
    error_message = "description must hold at most 256 characters; got ${length(var.description)}."
  }
}

variable "environment" {
  description = "Environment of the function beside LOG_LEVEL and what its uses bring. No secrets: anyone who may describe the function can read it."
  type        = map(string)
  default     = {}
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

  validation {
    condition     = contains(["arm64", "x86_64"], var.functions.architecture)
    error_message = "functions.architecture must be \"arm64\" or \"x86_64\"; got \"${var.functions.architecture}\"."
  }

  validation {
    condition     = (var.functions.code.filename == null) != (var.functions.code.s3_bucket == null) && (var.functions.code.s3_bucket == null) == (var.functions.code.s3_key == null)
    error_message = "functions.code must name a local file (filename) or an object in S3 (s3_bucket and s3_key); got ${jsonencode(var.functions.code)}."
  }

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.functions.log_level)
    error_message = "functions.log_level must be \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"; got \"${var.functions.log_level}\"."
  }

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.functions.log_retention_in_days)
    error_message = "functions.log_retention_in_days must be a retention of CloudWatch Logs (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653); got ${var.functions.log_retention_in_days}."
  }

  validation {
    condition     = var.functions.memory_size >= 128 && var.functions.memory_size <= 10240 && floor(var.functions.memory_size) == var.functions.memory_size
    error_message = "functions.memory_size must be a whole number from 128 to 10240; got ${var.functions.memory_size}."
  }

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.functions.runtime))
    error_message = "functions.runtime must be \"python3.11\" or a later Python of Lambda; got \"${var.functions.runtime}\"."
  }

  validation {
    condition     = contains(["Active", "PassThrough"], var.functions.tracing)
    error_message = "functions.tracing must be \"Active\" or \"PassThrough\"; got \"${var.functions.tracing}\"."
  }

  validation {
    condition     = try(length(var.functions.vpc.subnet_ids) >= 1 && length(var.functions.vpc.security_group_ids) >= 1, var.functions.vpc == null)
    error_message = "functions.vpc must name at least one subnet and one security group; got ${jsonencode(var.functions.vpc)}."
  }
}

variable "handler" {
  description = "Entry point, e.g. \"handlers.upstream.handler\"."
  type        = string
}

variable "layer_arns" {
  description = "ARNs of the layer versions that hold packages which are not in the zip."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.layer_arns) <= 5
    error_message = "layer_arns must name at most 5 layers; got ${length(var.layer_arns)}."
  }
}

variable "long_running" {
  description = "Whether the function works until shortly before its timeout by design: then its duration has no alarm."
  type        = bool
  default     = false
  nullable    = false
}

variable "name" {
  description = "Name of the function; its role is <name>-<region>, with a digest where that is longer than 64 characters, has capitals or has a path, and the failure queue <name>-failures."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name must hold 1 to 64 letters, digits, _ and -; got \"${var.name}\"."
  }
}

variable "policy_json" {
  description = "Rights of the function that are not about a resource with a grant, as a policy document in JSON. null: none."
  type        = string
  default     = null
}

variable "reserved_concurrency" {
  description = "Maximum number of concurrent invocations, reserved for the function out of the account's limit; invocations above it are throttled. null: no reservation and no limit of its own."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null || try(var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency, false)
    error_message = "reserved_concurrency must be a whole number from 1, or null; got ${coalesce(var.reserved_concurrency, 0)}."
  }
}

variable "starts_itself" {
  description = "Whether the function starts itself through a queue by design, each time with less to do: then Lambda does not end it after 16 times."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "timeout" {
  description = "Timeout of an invocation in seconds."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout must be a whole number of seconds from 1 to 900; got ${var.timeout}."
  }
}

variable "uses" {
  description = "Grants of the resources that the function works with: environment variables and policy documents, which are merged. The keys are for the reader; null stands for a grant that is not given."
  type = map(object({
    environment = map(string)
    policy_json = string
  }))
  default  = {}
  nullable = false
}
