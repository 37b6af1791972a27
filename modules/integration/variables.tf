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
  description = "Role The Things Stack is to assume, and the external id it is to show (null: none)."
  type = object({
    arn         = string
    external_id = optional(string)
  })
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
  description = "How messages come in: \"pubsub\" configures the application's Pub/Sub integration, \"manual\" checks the key and the cluster and configures nothing."
  type        = string
  default     = "pubsub"
  nullable    = false

  validation {
    condition     = contains(["pubsub", "manual"], var.mode)
    error_message = "mode \"${var.mode}\" is not known: take \"pubsub\" or \"manual\"."
  }
}

variable "region" {
  description = "AWS region whose AWS IoT endpoint The Things Stack is to connect to."
  type        = string
}

variable "stack_name" {
  description = "Name of the stack: the third level of every topic The Things Stack publishes to."
  type        = string
}
