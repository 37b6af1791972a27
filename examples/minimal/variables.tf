# The one value that is not in the configuration: pass it as TF_VAR_application_api_key.

variable "application_api_key" {
  description = "API key of the application farm-app."
  type        = string
  ephemeral   = true
}
