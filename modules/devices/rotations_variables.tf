# What the caller decides about the old certificates of rotated devices.

variable "end_old_certificates" {
  description = "Whether the old certificate of a rotated device ends by itself: after_hours after the device has connected with the new one, unless it has used an old one since, or on the date that `thingbridge devices rotate --end-old-after` sets. 0: with that connection. Each connection of the account with a certificate invokes a function. null: old certificates end with `thingbridge devices rotate --end-old` alone."
  type = object({
    after_hours = optional(number, 24)
  })
  default = null

  validation {
    condition     = var.end_old_certificates == null || try(var.end_old_certificates.after_hours >= 0 && var.end_old_certificates.after_hours <= 8760, false)
    error_message = "end_old_certificates.after_hours must be 0 to 8760; got ${try(var.end_old_certificates.after_hours, "null")}."
  }
}
