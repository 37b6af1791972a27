# What the caller says about the account that is trusted and the stack it serves.

variable "aws" {
  description = "Where the stack lives."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
}

variable "client_id_pattern" {
  description = "MQTT client ids The Things Stack may connect with, * as wildcard. The documentation of The Things Stack promises no more than that they are random."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[!-~]{1,128}$", var.client_id_pattern))
    error_message = "client_id_pattern \"${var.client_id_pattern}\" is no client id: write 1 to 128 printable characters without a space, * as wildcard."
  }
}

variable "external_id" {
  description = "External id The Things Stack must show when it assumes the role; null asks for none."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || (can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", var.external_id)) && try(length(var.external_id), 0) <= 1224)
    error_message = "external_id \"${coalesce(var.external_id, "null")}\" is no external id: write 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / and -."
  }
}

variable "stack_name" {
  description = "Name of the stack, as it stands in topics."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,50}$", var.stack_name))
    error_message = "stack_name \"${var.stack_name}\" is no stack name: begin with a letter, go on with letters, digits and dashes, 51 characters at most."
  }
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "trusted_account_id" {
  description = "AWS account The Things Stack acts from."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.trusted_account_id))
    error_message = "trusted_account_id \"${var.trusted_account_id}\" is no AWS account: write its 12 digits."
  }
}
