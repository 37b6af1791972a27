# What the caller says about the code.

variable "codecs" {
  description = "A second folder, whose *.py go into the zip below device_codecs/. null: none."
  type = object({
    source_path = string
  })
  default = null
}

variable "layer" {
  description = "A layer to build as well: which requirements file in source_path names its packages, and the processor (\"arm64\" or \"x86_64\") whose wheels are taken. null: none."
  type = object({
    requirements = string
    architecture = string
  })
  default = null

  validation {
    condition     = var.layer == null || contains(["arm64", "x86_64"], try(var.layer.architecture, ""))
    error_message = "layer.architecture \"${try(var.layer.architecture, "null")}\" is none of Lambda's: take \"arm64\" or \"x86_64\"."
  }
}

variable "name" {
  description = "Name that keeps the zips of several stacks in one configuration apart, e.g. the stack's."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.name))
    error_message = "name \"${var.name}\" can't name a folder everywhere: write letters, digits, _ and -."
  }
}

variable "prebuilt" {
  description = "A zip that is there already: a local file, or an object in S3 (with its version, or the base64 SHA-256 of the zip, so that a change is seen). null: it is built from source_path."
  type = object({
    filename = optional(string)
    s3 = optional(object({
      bucket           = string
      key              = string
      object_version   = optional(string)
      source_code_hash = optional(string)
    }))
  })
  default = null

  validation {
    condition     = var.prebuilt == null || try((var.prebuilt.filename == null) != (var.prebuilt.s3 == null), false)
    error_message = "prebuilt names ${try(var.prebuilt.filename, null) == null ? "neither a file nor an object in S3" : "a file and an object in S3"}: give filename or s3."
  }

  validation {
    condition     = try(var.prebuilt.filename, null) == null || try(fileexists(var.prebuilt.filename), false)
    error_message = "prebuilt.filename \"${try(coalesce(var.prebuilt.filename), "null")}\" is not there: build the zip first, or leave prebuilt out to have it built."
  }
}

variable "python_version" {
  description = "Version of Python the dependencies are chosen for, as in \"3.13\"."
  type        = string
  default     = "3.13"
  nullable    = false

  validation {
    condition     = can(regex("^3\\.[0-9]+$", var.python_version))
    error_message = "python_version \"${var.python_version}\" is no version of Python: write it like \"3.13\"."
  }
}

variable "source_path" {
  description = "Folder whose *.py, *.json and *.txt become the root of the zip. Its requirements.txt names the dependencies, each with its exact version and the hash of its pure wheel."
  type        = string
}
