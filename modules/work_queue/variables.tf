# What the caller says about the queue.

variable "aws" {
  description = "Where the queue lives."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
}

variable "batch_size" {
  description = "Messages a call of the function gets at most. The function reports which of them failed."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && (var.batch_size <= 10 || var.maximum_batching_window_in_seconds >= 1)
    error_message = "batch_size ${var.batch_size}: SQS hands over 1 to 10, and up to 10000 when maximum_batching_window_in_seconds is at least 1."
  }
}

variable "function_arn" {
  description = "ARN of the function that does the work. Its role must be allowed to receive from and delete in the queue when this value is known."
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

variable "maximum_batching_window_in_seconds" {
  description = "Seconds Lambda waits for a batch to fill."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.maximum_batching_window_in_seconds >= 0 && var.maximum_batching_window_in_seconds <= 300
    error_message = "maximum_batching_window_in_seconds ${var.maximum_batching_window_in_seconds}: Lambda takes 0 to 300."
  }
}

variable "maximum_concurrency" {
  description = "Calls of the function that work on the queue at the same time: the brake that keeps what the function calls below its limits."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000
    error_message = "maximum_concurrency ${var.maximum_concurrency}: Lambda takes 2 to 1000."
  }
}

variable "maximum_receive_count" {
  description = "Times a message is tried before it is moved to the dead letters."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.maximum_receive_count >= 1 && var.maximum_receive_count <= 1000
    error_message = "maximum_receive_count ${var.maximum_receive_count}: SQS takes 1 to 1000; AWS advises at least 5 for a queue that feeds a function."
  }
}

variable "name" {
  description = "Name of the queue; the other one is <name>-dead-letters."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,67}$", var.name))
    error_message = "name \"${var.name}\" is no queue name: write 1 to 67 letters, digits, _ and - (67, so that <name>-dead-letters fits in 80)."
  }
}

variable "tags" {
  description = "Tags of everything made here."
  type        = map(string)
  default     = {}
  nullable    = false
}
