# What the caller decides about the two ends that are joined, and what must exist before.

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

variable "check" {
  description = "What the API key is to be used for, checked before anything waits for the output stack: the mode of ingest, and whether payloads are encrypted end to end. null: it is only checked by what configures The Things Stack."
  type = object({
    mode                  = string
    end_to_end_encryption = optional(bool, false)
  })
  default = null
}

variable "configure_function_name" {
  description = "Name of the function configure (output function_name of the module configure)."
  type        = string
}

variable "end_to_end_encryption" {
  description = "Secret of the key encryption key, whose ARN is the label of the key, and the number that is raised when a new one is generated (output key_encryption_key of the module end_to_end_encryption). null: payloads are not encrypted end to end."
  type = object({
    secret_arn = string
    version    = number
  })
  default = null
}

variable "ingest" {
  description = "How The Things Stack delivers (output configuration of the module ingest): the mode, and what the application is configured with in it."
  type = object({
    mode = string
    cross_account_role = optional(object({
      arn         = string
      external_id = optional(string)
    }))
    iot_core = optional(object({
      authorizer_function_arn = string
      authorizer_name         = string
      basic_ingest_rule       = optional(string)
      token_version           = optional(number, 1)
      url                     = string
    }))
    mqtt = optional(object({
      basic_ingest_rule   = optional(string)
      ca_certificate      = optional(string)
      certificate_version = optional(number, 1)
      client_id           = string
      policy_name         = string
      server_url          = string
    }))
    package = optional(object({
      data_fields = object({
        external_id = optional(string)
        region      = string
        role_arn    = string
        stack_name  = string
      })
      f_port = optional(number, 198)
    }))
    webhook = optional(object({
      secret_arn     = string
      secret_version = optional(number, 1)
      url            = string
    }))
  })

  validation {
    condition     = contains(["pubsub", "package", "webhook", "webhook/iot_core", "mqtt", "manual"], var.ingest.mode)
    error_message = "ingest.mode must be \"pubsub\", \"package\", \"webhook\", \"webhook/iot_core\", \"mqtt\" or \"manual\"; got \"${var.ingest.mode}\"."
  }

  validation {
    condition     = var.ingest.cross_account_role != null || !contains(["package", "pubsub"], var.ingest.mode)
    error_message = "ingest.cross_account_role must be set when ingest.mode is \"package\" or \"pubsub\"; got null with mode \"${var.ingest.mode}\"."
  }

  validation {
    condition     = var.ingest.iot_core != null || var.ingest.mode != "webhook/iot_core"
    error_message = "ingest.iot_core must be set when ingest.mode is \"webhook/iot_core\"; got null."
  }

  validation {
    condition     = var.ingest.mqtt != null || var.ingest.mode != "mqtt"
    error_message = "ingest.mqtt must be set when ingest.mode is \"mqtt\"; got null."
  }

  # The Things Stack takes no longer client id.
  validation {
    condition     = var.ingest.mqtt == null || try(length(var.ingest.mqtt.client_id) <= 23, false)
    error_message = "ingest.mqtt.client_id must hold at most 23 characters; got \"${try(var.ingest.mqtt.client_id, "null")}\"."
  }

  validation {
    condition     = var.ingest.package != null || var.ingest.mode != "package"
    error_message = "ingest.package must be set when ingest.mode is \"package\"; got null."
  }

  validation {
    condition     = var.ingest.webhook != null || var.ingest.mode != "webhook"
    error_message = "ingest.webhook must be set when ingest.mode is \"webhook\"; got null."
  }
}

variable "parameter_path" {
  description = "Path of the parameters that the function configure reads and writes (output parameter_path of the module configure)."
  type        = string
}

variable "ready" {
  description = "Values that are known once all messages can be handled (outputs ready of the capabilities): the integration is configured after them and removed before what they stand for."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "registry_events" {
  description = "Values that are known once registry events can be handled (output ready of the module registry): the events are switched on after them. null: they are not switched on."
  type        = list(string)
  default     = null
}

variable "secrets_ready" {
  description = "Values that are known once the secrets have a value (outputs ready of the module secret): the function reads them when it is invoked."
  type        = list(string)
  default     = []
  nullable    = false
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

variable "thing_type" {
  description = "Description and searchable attributes of the thing type stack.thing_type_name; both count only when the type is created, as AWS IoT fixes them for the life of the type. null: the type is neither created nor adopted."
  type = object({
    description           = optional(string, "LoRaWAN end device")
    searchable_attributes = optional(list(string), ["devEUI", "stackName", "deviceID"])
  })
  default = null

  validation {
    condition     = var.thing_type == null || try(length(var.thing_type.description) <= 2028 && can(regex("^[ -~]*$", var.thing_type.description)), false)
    error_message = "thing_type.description must hold at most 2028 printable ASCII characters; got \"${try(var.thing_type.description, "null")}\"."
  }

  validation {
    condition     = var.thing_type == null || try(length(var.thing_type.searchable_attributes) <= 3 && length(distinct(var.thing_type.searchable_attributes)) == length(var.thing_type.searchable_attributes), false)
    error_message = "thing_type.searchable_attributes must name at most three different attributes; got [${try(join(", ", var.thing_type.searchable_attributes), "null")}]."
  }

  validation {
    condition     = var.thing_type == null || try(alltrue([for name in var.thing_type.searchable_attributes : can(regex("^[A-Za-z0-9_.,@/:#-]{1,128}$", name))]), false)
    error_message = "thing_type.searchable_attributes must be names of 1 to 128 of the characters A-Z a-z 0-9 _ . , @ / : # and -; got [${try(join(", ", var.thing_type.searchable_attributes), "null")}]."
  }
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
