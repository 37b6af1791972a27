# What the caller decides about the table.

variable "audited_encryption" {
  description = "Whether each use of the key is recorded in CloudTrail also without aws.kms_key: then the key is the account's aws/dynamodb, and not one that DynamoDB owns."
  type        = bool
  default     = false
  nullable    = false
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

variable "deletion" {
  description = "How the grant to delete items is written: sid of its statement, and whether they are also read first. null: there is no such grant."
  type = object({
    reads = optional(bool, false)
    sid   = string
  })
  default = null
}

variable "hash_key" {
  description = "Name of the partition key, a string."
  type        = string
}

variable "name" {
  description = "Name of the table."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.name))
    error_message = "name must hold 3 to 255 letters, digits, _, . and -; got \"${var.name}\"."
  }
}

variable "point_in_time_recovery" {
  description = "Whether the table can be restored to any second of the last 35 days."
  type        = bool
  default     = false
  nullable    = false
}

variable "range_key" {
  description = "Name of the sort key, a string. null: none."
  type        = string
  default     = null
}

variable "stream" {
  description = "How the grant to read the stream of changed keys is written: sid of its statement. null: the table has no stream."
  type = object({
    sid = string
  })
  default = null
}

variable "tags" {
  description = "Tags of every resource that can carry them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "update" {
  description = "How the grant to update items without reading any is written: sid of its statement. null: there is no such grant."
  type = object({
    sid = string
  })
  default = null
}

variable "use" {
  description = "How the grant is written: sid of its statement, environment variable that holds the table's name, and whether users also list the items of a partition."
  type = object({
    environment_variable = string
    lists_partitions     = optional(bool, false)
    sid                  = string
  })
}
