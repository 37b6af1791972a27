# What the caller says about the two ends that are to be joined.

variable "api_key_secret" {
  description = "Secret that holds the application's API key, and the number that was raised when the key last changed: a new number checks and configures again."
  type = object({
    arn     = string
    version = number
  })
}

variable "application_id" {
  description = "Application of The Things Stack that is joined."
  type        = string
}

variable "aws" {
  description = "Where the stack lives, and so where The Things Stack is to deliver."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
}

variable "cluster_address" {
  description = "URL of the cluster, without a path, e.g. \"https://eu1.cloud.thethings.network\"."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/]+$", var.cluster_address))
    error_message = "cluster_address \"${var.cluster_address}\" is no URL without a path: write it like https://eu1.cloud.thethings.network."
  }
}

variable "configure_function_name" {
  description = "Name of the configure function, which speaks to The Things Stack."
  type        = string
}

variable "cross_account_role" {
  description = "Modes \"pubsub\" and \"package\": role The Things Stack is to assume, and the external id it is to show (null: none)."
  type = object({
    arn         = string
    external_id = optional(string)
  })
  default = null

  validation {
    condition     = var.cross_account_role != null || !contains(["package", "pubsub"], var.mode)
    error_message = "cross_account_role is null, but mode \"${var.mode}\" connects with it: name the role."
  }
}

variable "identity_server_address" {
  description = "URL of the Identity Server, without a path."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/]+$", var.identity_server_address))
    error_message = "identity_server_address \"${var.identity_server_address}\" is no URL without a path: write it like https://eu1.cloud.thethings.network."
  }
}

variable "mode" {
  description = "How messages come in: \"pubsub\", \"package\", \"webhook\" and \"mqtt\" configure the application, \"manual\" checks the key and the cluster and configures nothing."
  type        = string
  default     = "pubsub"
  nullable    = false

  validation {
    condition     = contains(["pubsub", "package", "webhook", "mqtt", "manual"], var.mode)
    error_message = "mode \"${var.mode}\" is not known: take \"pubsub\", \"package\", \"webhook\", \"mqtt\" or \"manual\"."
  }
}

variable "mqtt" {
  description = "Mode \"mqtt\": MQTT server, its certificate authority (PEM; null: those The Things Stack trusts), the client's id and policy, and the number that was raised to have a new certificate."
  type = object({
    ca_certificate      = optional(string)
    certificate_version = optional(number, 1)
    client_id           = string
    policy_name         = string
    server_url          = string
  })
  default = null

  # The Things Stack takes no longer client id.
  validation {
    condition     = var.mqtt == null || try(length(var.mqtt.client_id) <= 23, false)
    error_message = "mqtt.client_id \"${try(var.mqtt.client_id, "null")}\" is too long: The Things Stack takes up to 23 characters."
  }

  validation {
    condition     = var.mqtt != null || var.mode != "mqtt"
    error_message = "mqtt is null, but mode is \"mqtt\": name the server, the client id and the policy."
  }
}

variable "package" {
  description = "Mode \"package\": FPort of the association, and the names under which its data holds region, stack_name, role_arn and external_id (null: not at all)."
  type = object({
    data_fields = object({
      external_id = optional(string)
      region      = string
      role_arn    = string
      stack_name  = string
    })
    f_port = optional(number, 198)
  })
  default = null

  validation {
    condition     = var.package != null || var.mode != "package"
    error_message = "package is null, but mode is \"package\": name the FPort and the fields of its data."
  }
}

variable "stack_name" {
  description = "Name of the stack: the third level of every topic The Things Stack publishes to."
  type        = string
}

variable "webhook" {
  description = "Mode \"webhook\": URL to post to, the secret to show there, and the number that was raised when the secret last changed."
  type = object({
    secret_arn     = string
    secret_version = optional(number, 1)
    url            = string
  })
  default = null

  validation {
    condition     = var.webhook != null || var.mode != "webhook"
    error_message = "webhook is null, but mode is \"webhook\": name the URL and the secret."
  }
}
