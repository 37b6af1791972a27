# What the caller says about the secrets: a key or a secret that holds it, and how they are kept.

variable "api_key" {
  description = "API key of the application; null when api_key_secret_arn is given. Never kept in a plan or a state."
  type        = string
  default     = null
  ephemeral   = true

  validation {
    condition     = (var.api_key == null) != (var.api_key_secret_arn == null)
    error_message = "api_key and api_key_secret_arn: give exactly one of the two."
  }

  validation {
    condition     = var.api_key == null || can(regex("^[!-~]+$", var.api_key))
    error_message = "api_key (its value is not shown) is empty or holds a space, a line end or a character outside ASCII: paste the key alone."
  }
}

variable "api_key_secret_arn" {
  description = "ARN of a secret of yours whose string is the API key; no secret is made then. It must be known when planning: take it from a data source, not from a resource of the same apply."
  type        = string
  default     = null

  validation {
    condition     = var.api_key_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", var.api_key_secret_arn))
    error_message = "api_key_secret_arn \"${coalesce(var.api_key_secret_arn, "null")}\" is no ARN of a secret: write it like arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<suffix>."
  }
}

variable "api_key_version" {
  description = "Raise it to write api_key again: a value that is never kept can't be compared."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.api_key_version >= 1 && floor(var.api_key_version) == var.api_key_version
    error_message = "api_key_version ${var.api_key_version} is no version: count in whole numbers from 1."
  }
}

variable "key_encryption_key_version" {
  description = "Raise it to draw a new key encryption key. Sessions whose key was wrapped with the old one can't be read any more."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.key_encryption_key_version >= 1 && floor(var.key_encryption_key_version) == var.key_encryption_key_version
    error_message = "key_encryption_key_version ${var.key_encryption_key_version} is no version: count in whole numbers from 1."
  }
}

variable "kms_key_arn" {
  description = "KMS key the secrets are encrypted with; null takes the account's aws/secretsmanager. Readers then need kms:Decrypt on it."
  type        = string
  default     = null
}

variable "recovery_window_in_days" {
  description = "Days a deleted secret can be restored, and its name can't be used again: 7 to 30, or 0 to delete at once."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.recovery_window_in_days == 0 || (var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30)
    error_message = "recovery_window_in_days ${var.recovery_window_in_days} is none that Secrets Manager knows: take 7 to 30, or 0 to delete at once."
  }
}

variable "stack_name" {
  description = "Name of the stack: the first part of the secrets' names."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]*$", var.stack_name))
    error_message = "stack_name \"${var.stack_name}\" is no stack name: begin with a letter, go on with letters, digits and dashes."
  }
}

variable "tags" {
  description = "Tags of the secrets."
  type        = map(string)
  default     = {}
  nullable    = false
}
