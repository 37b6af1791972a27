# What the caller decides about the queue.

variable "alarms" {
  description = "What alarms do (output alarms of the module observability): ARNs of the actions when a fault begins and when it is over, and where the runbook is. null: no alarms."
  type = object({
    actions    = list(string)
    ok_actions = optional(list(string), [])
    runbook    = optional(string, "docs/alarms.md")
  })
  default = null
}

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

variable "batch_size" {
  description = "Maximum number of messages in a batch. The function reports which of them failed."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && (var.batch_size <= 10 || var.maximum_batching_window_in_seconds >= 1)
    error_message = "batch_size must be 1 to 10, or up to 10000 with a maximum_batching_window_in_seconds of at least 1 (not in a FIFO queue); got ${var.batch_size}."
  }
}

variable "fifo" {
  description = "Whether the queue is a FIFO queue: Lambda works on one batch of a message group at a time, and identical messages within five minutes are dropped."
  type        = bool
  default     = false
  nullable    = false
}

variable "function_arn" {
  description = "ARN of the function that works on the queue. Its role must hold the grant work once this value is known."
  type        = string
}

# Apart from the ARN: the queue needs the timeout, and the function's rights need the queue.
variable "function_timeout" {
  description = "Timeout of the function in seconds."
  type        = number

  validation {
    condition     = var.function_timeout >= 1 && var.function_timeout <= 900
    error_message = "function_timeout must be 1 to 900 seconds; got ${var.function_timeout}."
  }
}

variable "give_up" {
  description = "How the grant to move a message to the dead-letter queue by hand is written: sid of its statement. null: there is no such grant, and SQS alone moves messages there."
  type = object({
    sid = string
  })
  default = null
}

variable "high_throughput" {
  description = "Whether a FIFO queue takes thousands of messages per second instead of 300: identical messages are then dropped only within their group."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.fifo || !var.high_throughput
    error_message = "high_throughput must be false unless fifo is true; got ${var.high_throughput}."
  }
}

variable "longest_wait_seconds" {
  description = "Age of the oldest message from which on its alarm fires. The default is an hour, as long as a message is tried by default."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.longest_wait_seconds >= 60 && var.longest_wait_seconds <= 1209600
    error_message = "longest_wait_seconds must be 60 to 1209600 (14 days); got ${var.longest_wait_seconds}."
  }
}

variable "maximum_batching_window_in_seconds" {
  description = "Seconds that Lambda waits for a batch to fill."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.maximum_batching_window_in_seconds >= 0 && var.maximum_batching_window_in_seconds <= 300 && (var.maximum_batching_window_in_seconds == 0 || !var.fifo)
    error_message = "maximum_batching_window_in_seconds must be 0 to 300, and 0 in a FIFO queue; got ${var.maximum_batching_window_in_seconds}."
  }
}

variable "maximum_concurrency" {
  description = "Maximum number of concurrent invocations that work on the queue: it keeps what the function calls below its limits. In a FIFO queue, there are no more than message groups either."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000
    error_message = "maximum_concurrency must be 2 to 1000; got ${var.maximum_concurrency}."
  }
}

variable "maximum_receive_count" {
  description = "Number of times a message is received before it moves to the dead-letter queue. The function sets the pauses in between: with 5, 30, 120 and then 600 seconds, the default is an hour."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.maximum_receive_count >= 1 && var.maximum_receive_count <= 1000
    error_message = "maximum_receive_count must be 1 to 1000 (AWS recommends at least 5 for a queue that feeds a function); got ${var.maximum_receive_count}."
  }
}

variable "message_retention_seconds" {
  description = "Seconds that the queue keeps a message. The default is 14 days, as long as the dead-letter queue: a stopped function is noticed before its work is dropped."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.message_retention_seconds >= 60 && var.message_retention_seconds <= 1209600
    error_message = "message_retention_seconds must be 60 to 1209600 (14 days); got ${var.message_retention_seconds}."
  }
}

variable "name" {
  description = "Name of the queue; the dead-letter queue is <name>-dead-letters. Both end in .fifo when the queue is a FIFO queue."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.name)) && length(var.name) <= (var.fifo ? 62 : 67)
    error_message = "name must hold 1 to 67 letters, digits, _ and -, in a FIFO queue 62 (so that <name>-dead-letters.fifo fits in 80); got \"${var.name}\"."
  }
}

variable "send" {
  description = "How the grant of senders is written: sid of its statement, environment variable that holds the queue's URL, and whether senders also read how many messages wait. null: no grant."
  type = object({
    environment_variable = string
    reads_length         = optional(bool, false)
    sid                  = string
  })
  default = null
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}
