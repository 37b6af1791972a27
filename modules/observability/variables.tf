# What the user wants of alarms and dashboard, and what there is to be seen.

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

variable "observed" {
  description = "What the dashboard shows, in this order: for each capability (output observed) its title and purpose, its parts with the names of their alarms, functions, rules, queues and queues of failures, alarms beside theirs, and graphs of its own with the rows of their metrics and searches."
  type = list(object({
    title   = string
    purpose = string
    alarms  = list(string)
    graphs = list(object({
      title    = string
      stat     = string
      metrics  = list(list(string))
      searches = list(string)
    }))
    parts = list(object({
      alarms    = list(string)
      failures  = list(string)
      functions = list(string)
      queues    = list(string)
      rules     = list(string)
    }))
  }))
  default  = []
  nullable = false
}

variable "settings" {
  description = "Alarms, who is notified of them, and a dashboard. alarm_actions: ARNs of what each alarm does, such as a topic of Amazon SNS that exists. emails: addresses that are notified, on a topic that is created; it is also created without alarm_actions. It is encrypted with aws.kms_key, or with a key that is created. notify_when_over: whether the same is done when a fault is over, and once when an alarm is created. dashboard: whether there is one. device_silence: minutes without an uplink after which a device that has sent is silent, and how many silent devices are tolerated without an alarm (null: the silence of a device is not a fault). runbook: page that alarms refer to, a path or an https URL. silence_minutes: minutes without any message of The Things Stack after which an alarm fires (null: silence is not a fault). null: none of it."
  type = object({
    alarm_actions    = optional(list(string), [])
    dashboard        = optional(bool, true)
    device_silence   = optional(object({ minutes = number, tolerated = optional(number, 0) }))
    emails           = optional(set(string), [])
    notify_when_over = optional(bool, false)
    runbook          = optional(string, "docs/alarms.md")
    silence_minutes  = optional(number)
  })
  default = null
}

variable "stack" {
  description = "The integration: its name, unique in the account and region, and the thing type and naming scheme (\"DevEUI\" or \"DeviceID\") of its things."
  type = object({
    name              = string
    thing_type_name   = optional(string, "lorawan")
    thing_name_scheme = optional(string, "DevEUI")
  })

  # 53, so that every name derived from it fits: a work queue's has at most 62 characters, <name>-registry.
  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,52}$", var.stack.name))
    error_message = "stack.name must begin with a letter and hold at most 53 letters, digits and dashes; got \"${var.stack.name}\"."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9:_-]{1,128}$", var.stack.thing_type_name))
    error_message = "stack.thing_type_name must hold 1 to 128 of the characters A-Z a-z 0-9 : _ and -; got \"${var.stack.thing_type_name}\"."
  }

  validation {
    condition     = contains(["DevEUI", "DeviceID"], var.stack.thing_name_scheme)
    error_message = "stack.thing_name_scheme must be \"DevEUI\" or \"DeviceID\"; got \"${var.stack.thing_name_scheme}\"."
  }
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}
