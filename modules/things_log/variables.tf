# What the caller says about the log of things.

variable "kms_key_arn" {
  description = "KMS key the log is encrypted with; null takes the key CloudWatch Logs owns. Its policy must admit logs.<region>.amazonaws.com."
  type        = string
  default     = null
}

variable "retention_in_days" {
  description = "Days after which an entry is dropped; 0 keeps it for ever."
  type        = number
  default     = 731
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.retention_in_days)
    error_message = "retention_in_days ${var.retention_in_days} is none that CloudWatch Logs knows: take 0 (for ever), 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "stack_name" {
  description = "Name of the stack, as it stands in topics."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]*$", var.stack_name))
    error_message = "stack_name \"${var.stack_name}\" is no stack name: begin with a letter, go on with letters, digits and dashes."
  }
}

variable "tags" {
  description = "Tags of the log group."
  type        = map(string)
  default     = {}
  nullable    = false
}
