# What the caller decides about devices and their comparison, and the grants of what the functions work with.

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

variable "default_frequency_plan_id" {
  description = "Frequency plan of devices created from AWS whose thing names none."
  type        = string
}

variable "directory" {
  description = "Grants of the directory of devices: to read and update it, and to compare it with listings (outputs use and upkeep of the module directory)."
  type = object({
    use = object({
      environment = map(string)
      policy_json = string
    })
    upkeep = object({
      environment = map(string)
      policy_json = string
    })
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

variable "limits" {
  description = "Searches per second that the stack makes at most of what AWS IoT grants an account and region (quota ListThings), and how many invocations work on registry events and work items at the same time, each one to two devices per second."
  type = object({
    list_things_per_second = optional(number, 8)
    registry_concurrency   = optional(number, 8)
  })
  default  = {}
  nullable = false

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
}

variable "on_thing_deleted" {
  description = "What happens to the device when its thing is deleted: \"delete\" or \"retain\" it at The Things Stack."
  type        = string
  default     = "delete"
  nullable    = false

  validation {
    condition     = contains(["delete", "retain"], var.on_thing_deleted)
    error_message = "on_thing_deleted must be \"delete\" or \"retain\"; got \"${var.on_thing_deleted}\"."
  }
}

variable "releases_url" {
  description = "Address at which the latest release of this module is read once a day: that of the releases API of GitHub, GitLab or Gitea, whose answer has a tag_name. null: no new version is looked for."
  type        = string
  default     = null

  validation {
    condition     = var.releases_url == null || can(regex("^https://[^\\s@]+$", var.releases_url))
    error_message = "releases_url must be an https URL without credentials, or null; got \"${coalesce(var.releases_url, "null")}\"."
  }
}

variable "scrub_keys" {
  description = "Whether root keys and claim codes are removed from a thing five minutes after its device exists."
  type        = bool
  default     = false
  nullable    = false
}

variable "silence" {
  description = "Minutes without an uplink after which a device that has sent is counted as silent by the comparison, and how many silent devices are no reason for an alarm. null: they are not counted."
  type = object({
    minutes   = number
    tolerated = optional(number, 0)
  })
  default = null

  validation {
    condition     = var.silence == null || try(var.silence.minutes >= 10 && var.silence.minutes <= 525600 && floor(var.silence.minutes) == var.silence.minutes, false)
    error_message = "silence.minutes must be a whole number from 10 to 525600 (a year); got ${try(var.silence.minutes, 0)}."
  }

  validation {
    condition     = var.silence == null || try(var.silence.tolerated >= 0 && floor(var.silence.tolerated) == var.silence.tolerated, false)
    error_message = "silence.tolerated must be a whole number from 0; got ${try(var.silence.tolerated, 0)}."
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

variable "sync" {
  description = "Comparison of both registries: whether, when (rate(...) or cron(...)), and whether differences are corrected (mode \"apply\") or only reported (\"report\")."
  type = object({
    enabled  = optional(bool, true)
    schedule = optional(string, "rate(10 minutes)")
    mode     = optional(string, "apply")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["apply", "report"], var.sync.mode)
    error_message = "sync.mode must be \"apply\" or \"report\"; got \"${var.sync.mode}\"."
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
