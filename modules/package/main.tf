# The zip of the functions: built here from a folder of sources, unless there is a prebuilt one; and, on request, the zip of a layer with
# machine code. Neither is uploaded here.

locals {
  built = var.prebuilt == null

  # By kind, not "all": what Python, editors and tools leave beside the sources would change the hash from machine to machine,
  # and even between a plan and its apply.
  sources = [
    for path in sort(fileset(var.source_path, "**/*.{json,py,txt}")) : path
    if !can(regex("(^|/)\\.", path))
  ]

  # Not below "codecs", a module of Python itself.
  codecs = var.codecs == null ? {} : {
    for path in fileset(var.codecs.source_path, "**/*.py") : "device_codecs/${path}" => "${var.codecs.source_path}/${path}"
    if !can(regex("(^|/)\\.", path))
  }

  digest = sha256(jsonencode({
    python_version = var.python_version
    builder        = filesha256("${path.module}/build.py")
    sources        = { for path in local.sources : path => filesha256("${var.source_path}/${path}") }
    codecs         = { for name, path in local.codecs : name => filesha256(path) }
  }))

  # Below .terraform: whoever runs Terraform may write there, git ignores it, and the path is the same on every machine.
  # The name keeps two stacks of one configuration apart.
  zip   = "${path.root}/.terraform/thingbridge/${var.name}/${substr(local.digest, 0, 16)}.zip"
  stamp = "${local.zip}.built"

  # When the zip on this machine was built. Where there is none (a fresh checkout with the state elsewhere) this plan's
  # own time makes the resource below build it again. The builder writes the value beside the zip, so the next plan reads
  # what is in the state. Not with `fileexists`: Terraform rejects a function whose result differs between plan and apply.
  built_at = try([trimspace(file(local.stamp)), filesha256(local.zip)][0], plantimestamp())

  # The same for the layer, which holds no sources: its digest covers its requirements and its platform.
  layer_platforms = { arm64 = "manylinux2014_aarch64", x86_64 = "manylinux2014_x86_64" }
  layer_digest = var.layer == null ? null : sha256(jsonencode({
    python_version = var.python_version
    builder        = filesha256("${path.module}/build.py")
    platform       = local.layer_platforms[var.layer.architecture]
    requirements   = filesha256("${var.source_path}/${var.layer.requirements}")
  }))
  layer_zip      = var.layer == null ? null : "${path.root}/.terraform/thingbridge/${var.name}/${substr(local.layer_digest, 0, 16)}-layer.zip"
  layer_stamp    = var.layer == null ? null : "${local.layer_zip}.built"
  layer_built_at = try([trimspace(file(local.layer_stamp)), filesha256(local.layer_zip)][0], plantimestamp())
}

resource "terraform_data" "this" {
  count = local.built ? 1 : 0

  triggers_replace = {
    digest   = local.digest
    built_at = local.built_at
  }

  # An interpreter and one argument, no shell: nothing to quote, on any system.
  provisioner "local-exec" {
    interpreter = ["python3", "${path.module}/build.py"]
    quiet       = true

    command = jsonencode({
      source         = var.source_path
      files          = local.sources
      codecs         = local.codecs
      requirements   = "requirements.txt"
      python_version = var.python_version
      platform       = "any"
      top            = ""
      zip            = local.zip
      stamp          = local.stamp
      built_at       = local.built_at
    })
  }

  lifecycle {
    precondition {
      condition     = contains(local.sources, "requirements.txt")
      error_message = "source_path must hold a requirements.txt, which may be empty; got \"${var.source_path}\"."
    }
  }
}

resource "terraform_data" "layer" {
  count = var.layer == null ? 0 : 1

  triggers_replace = {
    digest   = local.layer_digest
    built_at = local.layer_built_at
  }

  provisioner "local-exec" {
    interpreter = ["python3", "${path.module}/build.py"]
    quiet       = true

    command = jsonencode({
      source         = var.source_path
      files          = []
      codecs         = {}
      requirements   = var.layer.requirements
      python_version = var.python_version
      platform       = local.layer_platforms[var.layer.architecture]
      top            = "python" # Lambda unpacks layers to /opt, and looks for packages in /opt/python
      zip            = local.layer_zip
      stamp          = local.layer_stamp
      built_at       = local.layer_built_at
    })
  }
}
