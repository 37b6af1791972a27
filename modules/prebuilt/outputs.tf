# The zip.

output "code" {
  description = "The zip, as prebuilt of the module package, or functions.code of the module function. It is used only once the hash was compared."
  value = {
    filename          = var.package.filename
    s3_bucket         = try(local.s3.bucket, null)
    s3_key            = try(local.s3.key, null)
    s3_object_version = try(local.s3.object_version, null)
    source_code_hash  = try(filebase64sha256(var.package.filename), local.sha256_base64)
  }
  depends_on = [data.aws_s3_object.this]
}
