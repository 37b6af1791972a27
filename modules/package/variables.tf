# What the caller decides about the code.

variable "codecs" {
  description = "A second folder, whose *.py become device_codecs/ in the zip. null: none."
  type = object({
    source_path = string
  })
  default = null
}

variable "layer" {
  description = "A layer to build as well: the file in source_path that pins its packages, and the processor (\"arm64\" or \"x86_64\") to choose wheels for. null: none."
  type = object({
    requirements = string
    architecture = string
  })
  default = null

  validation {
    condition     = var.layer == null || contains(["arm64", "x86_64"], try(var.layer.architecture, ""))
    error_message = "layer.architecture must be \"arm64\" or \"x86_64\"; got \"${try(var.layer.architecture, "null")}\"."
  }
}

variable "name" {
  description = "Name that keeps the zips of several stacks in one configuration apart, e.g. the stack's."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.name))
    error_message = "name must hold letters, digits, _ and -, as it names a folder; got \"${var.name}\"."
  }
}

variable "prebuilt" {
  description = "An existing zip in place of one that is built from source_path (output code of the module prebuilt). null: it is built."
  type = object({
    filename          = string
    s3_bucket         = string
    s3_key            = string
    s3_object_version = string
    source_code_hash  = string
  })
  default = null
}

variable "python_version" {
  description = "Version of Python that dependencies are chosen for, e.g. \"3.13\"."
  type        = string
  default     = "3.13"
  nullable    = false

  validation {
    condition     = can(regex("^3\\.[0-9]+$", var.python_version))
    error_message = "python_version must be a version of Python like \"3.13\"; got \"${var.python_version}\"."
  }
}

variable "signed" {
  description = "Whether Lambda checks the signature of the code. What is built here has none."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.signed || var.prebuilt != null
    error_message = "signed must be false without prebuilt, a zip that you have signed (functions.code_signing_config_arn and package of the stack); got ${var.signed}."
  }

  validation {
    condition     = !var.signed || var.layer == null
    error_message = "signed must be false with a layer, which is built here and has no signature (functions.code_signing_config_arn, and end_to_end_encryption or the receiver iot_core, of the stack); got ${var.signed}."
  }
}

variable "source_path" {
  description = "Folder whose *.py, *.json and *.txt become the root of the zip. Its requirements.txt pins the dependencies, each with its exact version and the hash of its pure wheel."
  type        = string
}
