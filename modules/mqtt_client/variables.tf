# What the caller says about the client.

variable "aws" {
  description = "Where the client connects."
  type = object({
    partition  = string
    region     = string
    account_id = string
  })
}

variable "base_topic" {
  description = "Topic below which the client may publish, e.g. \"thethings/lorawan/farm\"."
  type        = string

  validation {
    condition     = can(regex("^[^/*?+#]+(/[^/*?+#]+)*$", var.base_topic))
    error_message = "base_topic \"${var.base_topic}\" is no topic: write levels with / between them, without wildcards."
  }
}

variable "client_id" {
  description = "MQTT client id, the only one the client may connect with. A second client with the same id disconnects the first: it must be the only one in the account and region."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.client_id))
    error_message = "client_id \"${var.client_id}\" is no client id: write 1 to 128 letters, digits, _ and -."
  }
}

variable "keeper_role_name" {
  description = "Role of who makes the client's certificate, hands it over and deletes it."
  type        = string
}

variable "name" {
  description = "Name of the policy."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,128}$", var.name))
    error_message = "name \"${var.name}\" is no policy name: AWS IoT takes 1 to 128 of the characters A-Z a-z 0-9 _ + = , . @ and -."
  }
}

variable "tags" {
  description = "Tags of the policy."
  type        = map(string)
  default     = {}
  nullable    = false
}
