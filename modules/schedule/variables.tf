# What the caller decides about the schedule.

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
  description = "Purpose of the schedule, shown in the console."
  type        = string
  default     = ""
  nullable    = false
}

variable "expression" {
  description = "When it is sent, in the syntax of EventBridge Scheduler: rate(...) or cron(...)."
  type        = string

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.expression))
    error_message = "expression must be a rate or a cron expression, e.g. rate(10 minutes) or cron(0 * * * ? *); got \"${var.expression}\"."
  }
}

variable "input" {
  description = "The message or event. A FIFO queue drops a text that it received within the last five minutes: let it hold \"<aws.scheduler.scheduled-time>\"."
  type        = string
}

variable "name" {
  description = "Name of the schedule; its role is <name>-schedule-<region>, shortened to 64 characters."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name must hold 1 to 64 letters, digits, _ and -; got \"${var.name}\"."
  }
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "target" {
  description = "The queue or function: its ARN, the message group for a FIFO queue, and the grant to send to it (output send of the module work_queue) or to invoke it."
  type = object({
    arn              = string
    message_group_id = optional(string)
    use = object({
      policy_json = string
    })
  })
}
