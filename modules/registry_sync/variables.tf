# What the caller says about the synchronisation.

variable "aws" {
  description = "Where the queue lives."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
}

variable "function_arn" {
  description = "ARN of the function that compares the registries. Its role must be allowed to receive from and delete in the queue when this value is known."
  type        = string
}

# Apart from the ARN: the queue needs the timeout, and the function's rights need the queue.
variable "function_timeout" {
  description = "Timeout of the function in seconds."
  type        = number

  validation {
    condition     = var.function_timeout >= 1 && var.function_timeout <= 900
    error_message = "function_timeout ${var.function_timeout}: Lambda takes 1 to 900 seconds."
  }
}

variable "name" {
  description = "Name of the schedule; the queues are <name>.fifo and <name>-dead-letters.fifo, the role is <name>-schedule."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,55}$", var.name))
    error_message = "name \"${var.name}\" is no schedule name: write 1 to 55 letters, digits, _ and - (55, so that the role's name <name>-schedule fits in 64)."
  }
}

variable "schedule" {
  description = "When a run starts, as EventBridge Scheduler takes it: rate(...) or cron(...)."
  type        = string
  default     = "rate(10 minutes)"
  nullable    = false

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.schedule))
    error_message = "schedule \"${var.schedule}\" is no schedule: write rate(10 minutes) or cron(0 * * * ? *)."
  }
}

variable "tags" {
  description = "Tags of everything made here that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}
