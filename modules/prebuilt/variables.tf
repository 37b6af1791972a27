# What the caller decides about the zip.

variable "package" {
  description = "The zip: a local file (filename), or an object in S3 (with its version, so that a change is seen). sha256: its SHA-256 in 64 hexadecimal digits, as sha256sum prints it; another zip fails the plan. In S3, that needs the version, and an object that was uploaded with a SHA-256."
  type = object({
    filename = optional(string)
    s3 = optional(object({
      bucket         = string
      key            = string
      object_version = optional(string)
    }))
    sha256 = optional(string)
  })
  nullable = false

  validation {
    condition     = (var.package.filename == null) != (var.package.s3 == null)
    error_message = "package must name either a file (filename) or an object in S3 (s3); got ${var.package.filename == null ? "neither" : "both"}."
  }

  validation {
    condition     = var.package.filename == null || try(fileexists(var.package.filename), false)
    error_message = "package.filename must be an existing file; got \"${coalesce(var.package.filename, "null")}\"."
  }

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", coalesce(var.package.sha256, sha256(""))))
    error_message = "package.sha256 must hold 64 hexadecimal digits in lower case, as sha256sum prints them; got \"${coalesce(var.package.sha256, "null")}\"."
  }

  validation {
    condition     = var.package.sha256 == null || try(filesha256(var.package.filename) == var.package.sha256, true)
    error_message = "package.sha256 must be the SHA-256 of ${coalesce(var.package.filename, "null")}, which is ${try(filesha256(var.package.filename), "unknown")}; got \"${coalesce(var.package.sha256, "null")}\"."
  }

  validation {
    condition     = var.package.sha256 == null || var.package.s3 == null || try(var.package.s3.object_version != null, false)
    error_message = "package.s3.object_version must be set with package.sha256, as an object without a version can be replaced after it was compared; got null."
  }
}
