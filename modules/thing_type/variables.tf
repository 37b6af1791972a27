# What the caller says about the thing type.

variable "configure_function_name" {
  description = "Name of the configure function, which makes the thing type or takes over the one that is there."
  type        = string
}

variable "description" {
  description = "What people read about the type in the console of AWS IoT. Counts only when the type is made."
  type        = string
  default     = "LoRaWAN end device"
  nullable    = false

  validation {
    condition     = length(var.description) <= 2028 && can(regex("^[ -~]*$", var.description))
    error_message = "description \"${var.description}\" (${length(var.description)} characters): AWS IoT takes up to 2028 printable ASCII characters; shorten it or replace the others."
  }
}

variable "name" {
  description = "Name of the thing type."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9:_-]{1,128}$", var.name))
    error_message = "name \"${var.name}\" is no thing type name: AWS IoT takes 1 to 128 of the characters A-Z a-z 0-9 : _ and -; replace the others."
  }
}

variable "searchable_attributes" {
  description = "Attributes by which things of this type are found. Counts only when the type is made: AWS IoT fixes them for the life of the type."
  type        = list(string)
  default     = ["devEUI", "stackName"]
  nullable    = false

  validation {
    condition     = length(var.searchable_attributes) <= 3 && length(distinct(var.searchable_attributes)) == length(var.searchable_attributes)
    error_message = "searchable_attributes [${join(", ", var.searchable_attributes)}]: AWS IoT takes up to three different ones per type; leave some out."
  }

  validation {
    condition     = alltrue([for name in var.searchable_attributes : can(regex("^[A-Za-z0-9_.,@/:#-]{1,128}$", name))])
    error_message = "searchable_attributes [${join(", ", var.searchable_attributes)}]: AWS IoT takes 1 to 128 of the characters A-Z a-z 0-9 _ . , @ / : # and - in a name; rename the offender."
  }
}
