# The code of functions and of a layer.

output "code" {
  description = "The zip, as functions.code of the module function. Known when planning; it exists once this value is used."
  value = var.prebuilt != null ? var.prebuilt : {
    filename          = local.zip
    s3_bucket         = null
    s3_key            = null
    s3_object_version = null
    source_code_hash  = base64sha256(local.digest)
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
