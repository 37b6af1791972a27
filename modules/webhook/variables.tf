# What the caller says about the function and the secret.

variable "function" {
  description = "Function behind the URL."
  type = object({
    arn  = string
    name = string
  })
}

variable "kms_key_arn" {
  description = "KMS key the secret is encrypted with; null takes the account's aws/secretsmanager. Readers then need kms:Decrypt on it."
  type        = string
  default     = null
}

variable "recovery_window_in_days" {
  description = "Days the deleted secret can be restored, and its name can't be used again: 7 to 30, or 0 to delete at once."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.recovery_window_in_days == 0 || (var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30)
    error_message = "recovery_window_in_days ${var.recovery_window_in_days}: Secrets Manager takes 0, or 7 to 30."
  }
}

variable "secret_name" {
  description = "Name of the secret."
  type        = string
}

variable "secret_version" {
  description = "Raise it to draw a new secret."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.secret_version >= 1 && floor(var.secret_version) == var.secret_version
    error_message = "secret_version ${var.secret_version} is no version: count in whole numbers from 1."
  }
}

variable "tags" {
  description = "Tags of everything made here."
  type        = map(string)
  default     = {}
  nullable    = false
}
