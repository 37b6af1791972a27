# What the caller decides about the readings of devices: their types, levels of alert, who is notified, and where records go.

variable "telemetry" {
  description = "Readings of devices. types: a segment of the topic => the numbers in a reading, with range, unit, and levels of alert, the most severe first; a level is cleared when the value is back by hysteresis. metrics: \"none\", \"type\" (counts of each type) or \"device\" (the values of each device as well, which CloudWatch charges per device). status: the same for the status of a device, without levels. notifications: on a topic of Amazon SNS that is created, or that topic_arn names. settings_seconds: how long a device's own settings may be remembered. stream: where records are handed on to, at most one. null: readings are not read."
  type = object({
    notifications = optional(object({
      enabled   = optional(bool, true)
      topic_arn = optional(string)
    }), {})
    settings_seconds = optional(number, 300)
    status = optional(object({
      fields = map(object({
        maximum  = optional(number)
        minimum  = optional(number)
        required = optional(bool, false)
        unit     = optional(string)
      }))
      metrics = optional(string, "none")
    }), { fields = { battery_level = { minimum = 0, maximum = 100, unit = "%" } } })
    stream = optional(object({
      firehose = optional(object({ arn = string, name = string }))
      kinesis  = optional(object({ arn = string, name = string }))
      queue    = optional(object({ arn = string, url = string }))
    }), {})
    types = optional(map(object({
      fields = map(object({
        hysteresis = optional(number, 0)
        levels     = optional(list(object({ name = string, above = optional(number), below = optional(number) })), [])
        maximum    = optional(number)
        minimum    = optional(number)
        required   = optional(bool, false)
        unit       = optional(string)
      }))
      metrics = optional(string, "none")
      })), {
      temperature = {
        fields = {
          battery_level = { minimum = 0, maximum = 100, unit = "%" }
          humidity      = { minimum = 0, maximum = 100, unit = "%" }
          temperature = {
            hysteresis = 1
            levels = [
              { name = "HIGH", above = 80 },
              { name = "MEDIUM", above = 60 },
              { name = "LOW", below = -10 },
            ]
            maximum  = 150
            minimum  = -50
            required = true
            unit     = "°C"
          }
        }
      }
    })
  })
  default = null

  validation {
    condition     = alltrue([for type in try(keys(var.telemetry.types), []) : can(regex("^[A-Za-z0-9_-]{1,64}$", type)) && type != "status"])
    error_message = "telemetry.types must have names of 1 to 64 letters, digits, _ and -, and none that is \"status\"; got ${jsonencode(try(keys(var.telemetry.types), []))}."
  }

  validation {
    condition     = alltrue([for field in try(flatten([for type in values(merge(var.telemetry.types, { status = var.telemetry.status })) : keys(type.fields)]), []) : can(regex("^[A-Za-z][A-Za-z0-9_]{0,63}$", field)) && !contains(["aws_timestamp", "device", "timestamp", "type"], field)])
    error_message = "telemetry.types and telemetry.status must have fields that begin with a letter and hold at most 64 letters, digits and _, and none that is aws_timestamp, device, timestamp or type; got ${jsonencode(try(flatten([for type in values(merge(var.telemetry.types, { status = var.telemetry.status })) : keys(type.fields)]), []))}."
  }

  validation {
    condition     = alltrue([for level in try(flatten([for type in values(var.telemetry.types) : [for field in values(type.fields) : field.levels]]), []) : can(regex("^[A-Z][A-Z0-9_]{0,31}$", level.name)) && level.name != "NORMAL" && (level.above == null) != (level.below == null)])
    error_message = "telemetry.types must have levels with a name of capitals, digits and _ that is not NORMAL, and with either above or below; got ${jsonencode(try(flatten([for type in values(var.telemetry.types) : [for field in values(type.fields) : field.levels]]), []))}."
  }

  validation {
    condition     = alltrue([for field in try(flatten([for type in values(var.telemetry.types) : values(type.fields)]), []) : length(distinct(field.levels[*].name)) == length(field.levels) && field.hysteresis >= 0])
    error_message = "telemetry.types must have fields whose levels differ in their names, and a hysteresis of at least 0; got ${jsonencode(try(flatten([for type in values(var.telemetry.types) : [for name, field in type.fields : { (name) = [field.levels[*].name, field.hysteresis] }]]), []))}."
  }

  validation {
    condition     = alltrue([for type in try(values(merge(var.telemetry.types, { status = var.telemetry.status })), []) : contains(["none", "type", "device"], type.metrics)])
    error_message = "telemetry.types and telemetry.status must have metrics \"none\", \"type\" or \"device\"; got ${jsonencode(try([for type in values(merge(var.telemetry.types, { status = var.telemetry.status })) : type.metrics], []))}."
  }

  validation {
    condition     = var.telemetry == null || length([for target in try(values(var.telemetry.stream), []) : target if target != null]) <= 1
    error_message = "telemetry.stream must name at most one of firehose, kinesis and queue; got ${jsonencode([for name, target in try(var.telemetry.stream, {}) : name if target != null])}."
  }

  validation {
    condition     = var.telemetry == null || try(var.telemetry.settings_seconds >= 0 && var.telemetry.settings_seconds <= 3600, false)
    error_message = "telemetry.settings_seconds must be 0 to 3600; got ${try(var.telemetry.settings_seconds, "null")}."
  }
}

variable "things_log" {
  description = "Grant to write to the log of things (output use of the module log_group)."
  type = object({
    environment = map(string)
    policy_json = string
  })
}
