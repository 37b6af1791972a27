# What the caller decides about the rule.

variable "action" {
  description = "Where selected messages go: a delivery stream of Amazon Data Firehose, a function, a stream of Amazon Kinesis (whose partitions are by the last segment of the topic), a queue, a table of DynamoDB (each selected value is an attribute, and its keys must be among them), or a topic (republish), which may have substitution templates; topics names all that it may become, with * for any text. Exactly one."
  type = object({
    firehose = optional(object({
      arn  = string
      name = string
    }))
    function = optional(object({
      arn = string
    }))
    kinesis = optional(object({
      arn  = string
      name = string
    }))
    queue = optional(object({
      arn = string
      url = string
    }))
    table = optional(object({
      arn  = string
      name = string
    }))
    republish = optional(object({
      topic  = string
      topics = list(string)
    }))
  })

  validation {
    condition     = length([for target in values(var.action) : target if target != null]) == 1
    error_message = "action must name exactly one of firehose, function, kinesis, queue, republish and table; got ${jsonencode([for name, target in var.action : name if target != null])}."
  }
}

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

variable "description" {
  description = "Purpose of the rule, shown in the console."
  type        = string
  default     = ""
  nullable    = false
}

variable "error_function" {
  description = "Function that is invoked with the messages that the action failed on, for messages that no queue may keep: AWS IoT passes on the whole message, whatever the rule selects. null: error_queue keeps them."
  type = object({
    arn = string
  })
  default = null
}

variable "error_queue" {
  description = "Queue for the messages that the action failed on. null: error_function is invoked with them."
  type = object({
    arn = string
    url = string
  })
  default = null

  validation {
    condition     = (var.error_queue == null) != (var.error_function == null)
    error_message = "exactly one of error_queue and error_function must be set; got ${var.error_queue == null ? "neither" : "both"}."
  }
}

variable "name" {
  description = "Name of the rule, with dashes as underscores; its role is <name>-rule-<region>, shortened to 64 characters."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,100}$", var.name))
    error_message = "name must hold 1 to 100 letters, digits, _ and - (100, as it names a permission too); got \"${var.name}\"."
  }
}

variable "select" {
  description = "SELECT clause in the SQL of AWS IoT, version 2016-03-23. The default passes on the topic, and the message in Base64: byte for byte, JSON or not, and without rounding numbers."
  type        = string
  default     = "topic() AS topic, encode(*, 'base64') AS payload"
  nullable    = false
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "topic_filter" {
  description = "FROM clause: topic filter of the messages that the rule reads."
  type        = string

  validation {
    condition     = can(regex("^[^']+$", var.topic_filter))
    error_message = "topic_filter must be an MQTT topic filter without a quotation mark; got \"${var.topic_filter}\"."
  }
}

variable "where" {
  description = "WHERE clause, without the keyword. null: every message."
  type        = string
  default     = null
}
