# What the caller says about registry events.

variable "configure_function_name" {
  description = "Name of the configure function, which switches on the events of things and touches no other type of event."
  type        = string
}
