# What the caller knows of The Things Stack.

variable "api_key" {
  description = "Secret of the application's API key: its ARN, the number that is raised when the key changes, and the grant to read it (output use of the module secret)."
  type = object({
    secret_arn = string
    version    = optional(number, 1)
    use = object({
      environment = map(string)
      policy_json = string
    })
  })
}

variable "application_id" {
  description = "Application whose devices become things."
  type        = string
}

variable "ca_certificate" {
  description = "Certificate of the private authority that signed those of the servers, in PEM. null: only the public authorities are trusted."
  type        = string
  default     = null
}

variable "cluster_address" {
  description = "Cluster: a host, host:port or URL, e.g. \"eu1.cloud.thethings.network\"."
  type        = string

  validation {
    condition     = can(regex("^(https?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$", var.cluster_address))
    error_message = "cluster_address must be a host, host:port or URL without a path, e.g. eu1.cloud.thethings.network; got \"${var.cluster_address}\"."
  }
}

variable "identity_server_address" {
  description = "Identity Server, in the same form as cluster_address. null: derived from it."
  type        = string
  default     = null

  validation {
    condition     = var.identity_server_address == null || can(regex("^(https?://)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/?$", var.identity_server_address))
    error_message = "identity_server_address must be a host, host:port or URL without a path, e.g. eu1.cloud.thethings.network; got \"${coalesce(var.identity_server_address, "null")}\"."
  }
}

variable "stack_name" {
  description = "Name of the integration, part of the topics that The Things Stack publishes on."
  type        = string
}
