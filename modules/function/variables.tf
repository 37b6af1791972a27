# What the caller says about the function.

variable "architecture" {
  description = "Processor the function runs on: \"arm64\" or \"x86_64\"."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture \"${var.architecture}\" is none of Lambda's: take \"arm64\" or \"x86_64\"."
  }
}

variable "asynchronous_invocation" {
  description = "How events that nobody waits for are tried again and kept: how long and how often Lambda tries, and how long the failure queue holds what failed. null: the function is only called by somebody who waits, or from a queue, and has no failure queue."
  type = object({
    maximum_event_age_in_seconds = optional(number, 21600)
    maximum_retry_attempts       = optional(number, 2)
    failure_retention_in_days    = optional(number, 14)
  })
  default = null

  validation {
    condition     = var.asynchronous_invocation == null || try(var.asynchronous_invocation.maximum_event_age_in_seconds >= 60 && var.asynchronous_invocation.maximum_event_age_in_seconds <= 21600, false)
    error_message = "asynchronous_invocation.maximum_event_age_in_seconds ${try(var.asynchronous_invocation.maximum_event_age_in_seconds, "null")}: Lambda takes 60 to 21600."
  }

  validation {
    condition     = var.asynchronous_invocation == null || try(contains([0, 1, 2], var.asynchronous_invocation.maximum_retry_attempts), false)
    error_message = "asynchronous_invocation.maximum_retry_attempts ${try(var.asynchronous_invocation.maximum_retry_attempts, "null")}: Lambda takes 0, 1 or 2."
  }

  validation {
    condition     = var.asynchronous_invocation == null || try(var.asynchronous_invocation.failure_retention_in_days >= 1 && var.asynchronous_invocation.failure_retention_in_days <= 14, false)
    error_message = "asynchronous_invocation.failure_retention_in_days ${try(var.asynchronous_invocation.failure_retention_in_days, "null")}: SQS keeps a message for up to 14 days; take 1 to 14."
  }
}

variable "aws" {
  description = "Where the function lives."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
}

variable "code" {
  description = "The zip: a local file, or an object in S3. The code is replaced when the hash (or the object's version) changes. The module package returns this object."
  type = object({
    filename          = optional(string)
    s3_bucket         = optional(string)
    s3_key            = optional(string)
    s3_object_version = optional(string)
    source_code_hash  = optional(string)
  })

  validation {
    condition     = (var.code.filename == null) != (var.code.s3_bucket == null) && (var.code.s3_bucket == null) == (var.code.s3_key == null)
    error_message = "code names ${jsonencode(var.code)}: give filename, or s3_bucket together with s3_key."
  }
}

variable "description" {
  description = "What the function is for, as people read it in the console."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = length(var.description) <= 256
    error_message = "description holds ${length(var.description)} characters: Lambda takes up to 256; shorten it."
  }
}

variable "environment" {
  description = "Environment of the function. No secrets: everybody who may look at the function reads it."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "handler" {
  description = "Entry point, e.g. \"handlers.upstream.handler\"."
  type        = string
}

variable "layer_arns" {
  description = "ARNs of the layer versions the function's code finds its packages in, beside its zip."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.layer_arns) <= 5
    error_message = "layer_arns names ${length(var.layer_arns)} layers: Lambda takes up to 5; put packages together."
  }
}

variable "log_level" {
  description = "Least severe message that is logged: \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level \"${var.log_level}\" is not known: take \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"."
  }
}

variable "log_retention_in_days" {
  description = "Days after which an entry of the function's log is dropped; 0 keeps it for ever."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_in_days)
    error_message = "log_retention_in_days ${var.log_retention_in_days} is none that CloudWatch Logs knows: take 0 (for ever), 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "memory_size" {
  description = "Memory in MB; the share of a processor grows with it."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size ${var.memory_size}: Lambda takes whole numbers from 128 to 10240."
  }
}

variable "name" {
  description = "Name of the function and of its role; the failure queue is <name>-failures."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name \"${var.name}\" is no function name: write 1 to 64 letters, digits, _ and -."
  }
}

variable "policy_json" {
  description = "What the function may do beyond writing its own log and its failure queue: a policy document as JSON. null: nothing."
  type        = string
  default     = null
}

variable "reserved_concurrency" {
  description = "Most calls at a time, set aside for the function from what the account has; what is above is turned away. null: as many as the account has left."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null || try(var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency, false)
    error_message = "reserved_concurrency ${coalesce(var.reserved_concurrency, 0)}: write a whole number from 1, or null."
  }
}

variable "runtime" {
  description = "Runtime of the function, e.g. \"python3.13\"."
  type        = string
  default     = "python3.13"
  nullable    = false

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.runtime))
    error_message = "runtime \"${var.runtime}\" does not run this code: take \"python3.11\" or later, as Lambda has it."
  }
}

variable "tags" {
  description = "Tags of everything made here."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "timeout" {
  description = "Seconds one call may take."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout ${var.timeout}: Lambda takes whole seconds from 1 to 900."
  }
}
