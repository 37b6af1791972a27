# What the caller decides about devices that register themselves.

variable "provisioning" {
  description = "Devices that register themselves: by claim, if their name is on the list that `thingbridge devices allow` writes and matches name_pattern (a regular expression for the whole name), and just_in_time, with certificates of an authority of your own: production line or the like => type, and location if devices are grouped by it. null: only who may register devices does."
  type = object({
    just_in_time = optional(map(object({ type = string, location = optional(string) })), {})
    name_pattern = optional(string, "[A-Za-z0-9:_-]+")
  })
  default = null

  # Terraform reads it as RE2, the function as Python does. What both read alike, and a name can have, is accepted: a pattern that the function
  # can't read would have it fail for every device.
  validation {
    condition     = var.provisioning == null || can(regex("^\\^?(\\((\\?:)?|\\||([A-Za-z0-9:_.)-]|\\\\[dw]|\\[\\^?-?([A-Za-z0-9:_](-[A-Za-z0-9:_])?|\\\\[dw])+-?\\])(([*+?]|\\{[0-9]{1,3}(,([0-9]{1,3})?)?\\})\\??)?)*\\$?$", var.provisioning.name_pattern)) && can(regexall(var.provisioning.name_pattern, "")) && try(length(var.provisioning.name_pattern) <= 128, false)
    error_message = "provisioning.name_pattern must be a regular expression of at most 128 characters for names of letters, digits, : _ and -, without flags, lookarounds, named groups, possessive repetition, and escapes but those of a digit and a word character; got \"${try(var.provisioning.name_pattern, "null")}\"."
  }

  validation {
    condition     = alltrue([for name in try(keys(var.provisioning.just_in_time), []) : can(regex("^[A-Za-z0-9_-]{1,64}$", name)) && name != "claim"])
    error_message = "provisioning.just_in_time must have names of 1 to 64 letters, digits, _ and -, and none that is \"claim\"; got ${jsonencode(try(keys(var.provisioning.just_in_time), []))}."
  }

  validation {
    condition     = alltrue([for line in try(values(var.provisioning.just_in_time), []) : contains(keys(var.types), line.type)])
    error_message = "provisioning.just_in_time must name types of the variable types; got ${jsonencode(try(values(var.provisioning.just_in_time)[*].type, []))}."
  }

  validation {
    condition     = alltrue([for line in try(values(var.provisioning.just_in_time), []) : line.location == null || length(var.locations) == 0 || try(contains(var.locations, line.location), false)])
    error_message = "provisioning.just_in_time must name locations of the variable locations; got ${jsonencode(try(values(var.provisioning.just_in_time)[*].location, []))}."
  }
}
