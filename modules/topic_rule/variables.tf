# What the caller says about the rule.

variable "action" {
  description = "Where selected messages go: a function, or a queue. Exactly one."
  type = object({
    function = optional(object({
      arn = string
    }))
    queue = optional(object({
      arn = string
      url = string
    }))
  })

  validation {
    condition     = (var.action.function == null) != (var.action.queue == null)
    error_message = "action names ${var.action.function == null ? "neither a function nor a queue" : "a function and a queue"}: give function or queue."
  }
}

variable "aws" {
  description = "Where the rule lives."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
}

variable "description" {
  description = "What the rule is for, as people read it in the console."
  type        = string
  default     = ""
  nullable    = false
}

variable "error_queue" {
  description = "Queue for the messages the action failed on."
  type = object({
    arn = string
    url = string
  })
}

variable "name" {
  description = "Name of the rule; its role is <name>-rule."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_]{1,59}$", var.name))
    error_message = "name \"${var.name}\" is no rule name: write 1 to 59 letters, digits and _ (59, so that the role's name <name>-rule fits in 64)."
  }
}

variable "sql" {
  description = "What the rule selects, in the SQL of AWS IoT, version 2016-03-23."
  type        = string
}

variable "tags" {
  description = "Tags of everything made here."
  type        = map(string)
  default     = {}
  nullable    = false
}
