# What the caller decides about the secret.

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

variable "description" {
  description = "Purpose of the secret, shown in the console."
  type        = string
  default     = ""
  nullable    = false
}

variable "existing_arn" {
  description = "ARN of an existing secret; none is created then. It must be known when planning: take it from a data source, not from a resource of the same apply."
  type        = string
  default     = null

  validation {
    condition     = var.existing_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", var.existing_arn))
    error_message = "existing_arn must be the ARN of a secret, arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<suffix>; got \"${coalesce(var.existing_arn, "null")}\"."
  }
}

variable "generate" {
  description = "Generate a random value of this many hexadecimal digits (4 bits each) when a version is written."
  type = object({
    hex_digits = number
    upper_case = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.generate == null || try(var.generate.hex_digits >= 32 && var.generate.hex_digits <= 64 && floor(var.generate.hex_digits) == var.generate.hex_digits, false)
    error_message = "generate.hex_digits must be a whole number from 32 (128 bits) to 64; got ${try(var.generate.hex_digits, "null")}."
  }
}

variable "name" {
  description = "Name of the secret. null with existing_arn."
  type        = string
  default     = null

  validation {
    condition     = (var.name == null) == (var.existing_arn != null) && (var.name == null || can(regex("^[A-Za-z0-9/_+=.@-]{1,512}$", var.name)))
    error_message = "name must hold 1 to 512 of the characters A-Z a-z 0-9 / _ + = . @ and -, or be null with existing_arn; got \"${coalesce(var.name, "null")}\"."
  }
}

variable "recovery_window_in_days" {
  description = "Days during which a deleted secret can be restored and its name can't be used again: 7 to 30, or 0 to delete at once."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.recovery_window_in_days == 0 || (var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30)
    error_message = "recovery_window_in_days must be 0, or 7 to 30; got ${var.recovery_window_in_days}."
  }
}

variable "secret_version" {
  description = "Raise it to write the value again or to generate a new one: a value that is kept nowhere can't be compared."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.secret_version >= 1 && floor(var.secret_version) == var.secret_version
    error_message = "secret_version must be a whole number from 1; got ${var.secret_version}."
  }
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "use" {
  description = "How the grant is written: sid of its statement, and environment variable that holds the secret's ARN."
  type = object({
    environment_variable = string
    sid                  = string
  })
}

variable "value" {
  description = "The value. Never kept in a plan or a state."
  type        = string
  default     = null
  ephemeral   = true

  validation {
    condition     = length([for given in [var.existing_arn != null, var.generate != null, var.value != null] : given if given]) == 1
    error_message = "exactly one of existing_arn, generate and value must be set; got none or several."
  }

  validation {
    condition     = var.value == null || can(regex("^[!-~]+$", var.value))
    error_message = "value must hold printable ASCII characters without spaces or line breaks; got something else (not shown)."
  }
}
