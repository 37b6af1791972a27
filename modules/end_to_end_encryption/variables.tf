# What the caller decides about keys, and the grants of what the function works with.

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

variable "configure_role_name" {
  description = "Role of the function configure: it receives the right to read the key encryption key (output role_name of the module configure)."
  type        = string
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

variable "key_encryption_key_version" {
  description = "Raise it to generate a new key encryption key, which is sent to the Join Server. Sessions whose key was wrapped with the old one can no longer be read."
  type        = number
  default     = 1
  nullable    = false
}

variable "layer" {
  description = "Zip of the layer with the cryptography, built for the processor and runtime of the functions (output layer of the module package)."
  type = object({
    filename         = string
    source_code_hash = string
  })
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
