# The code of functions and of a layer.

output "code" {
  description = "The zip, as functions.code of the module function. Known when planning; it exists once this value is used."
  value = {
    filename          = local.built ? local.zip : var.prebuilt.filename
    s3_bucket         = try(var.prebuilt.s3.bucket, null)
    s3_key            = try(var.prebuilt.s3.key, null)
    s3_object_version = try(var.prebuilt.s3.object_version, null)
    source_code_hash  = local.built ? base64sha256(local.digest) : try(filebase64sha256(var.prebuilt.filename), var.prebuilt.s3.source_code_hash)
  }
  depends_on = [terraform_data.this]
}

output "layer" {
  description = "Zip and hash of the layer; null without one. Known when planning; it exists once this value is used."
  value = var.layer == null ? null : {
    filename         = local.layer_zip
    source_code_hash = base64sha256(local.layer_digest)
  }
  depends_on = [terraform_data.layer]
}
