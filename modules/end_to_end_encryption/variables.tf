# What the caller says about the application whose payloads are to stay unread by The Things Stack.

variable "api_key_secret" {
  description = "Secret that holds the application's API key, and the number that was raised when the key last changed: a new number checks and configures again."
  type = object({
    arn     = string
    version = number
  })
}

variable "application_id" {
  description = "Application of The Things Stack whose payloads are encrypted end to end."
  type        = string
}

variable "aws" {
  description = "Where the table lives."
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
  description = "Name of the configure function, which speaks to The Things Stack. It must be allowed to read both secrets."
  type        = string
}

variable "identity_server_address" {
  description = "URL of the Identity Server, without a path."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/]+$", var.identity_server_address))
    error_message = "identity_server_address \"${var.identity_server_address}\" is no URL without a path: write it like https://eu1.cloud.thethings.network."
  }
}

variable "key_encryption_key_secret" {
  description = "Secret that holds the key encryption key as 32 hex digits, and the number that was raised when it was last drawn: a new number hands it to the Join Server again. Its ARN is the key's label."
  type = object({
    arn     = string
    version = optional(number, 1)
  })
}

variable "kms_key_arn" {
  description = "KMS key the table is encrypted with; null takes the account's aws/dynamodb. The functions then need kms:Decrypt on it."
  type        = string
  default     = null
}

variable "layer" {
  description = "The layer with the cryptography: its zip, as the module package gives it, and the processor and runtime of the functions it was built for."
  type = object({
    code = object({
      filename         = string
      source_code_hash = string
    })
    architecture = string
    runtime      = string
  })
}

variable "stack_name" {
  description = "Name of the stack: the table is <stack_name>-sessions."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]*$", var.stack_name))
    error_message = "stack_name \"${var.stack_name}\" is no stack name: begin with a letter, go on with letters, digits and dashes."
  }
}

variable "tags" {
  description = "Tags of the table."
  type        = map(string)
  default     = {}
  nullable    = false
}
