# The two ways to set an API key.

variable "greenhouse_api_key" {
  description = "API key of the application greenhouse-sensors."
  type        = string
  ephemeral   = true
}

variable "vineyard_api_key_secret_arn" {
  description = "ARN of a secret that holds the API key of the application vineyard-sensors."
  type        = string
}
