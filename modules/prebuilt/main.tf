# An existing zip of the functions, in a file or in S3, compared with the hash that it must have before a function gets it. Nothing is
# created, and nothing is built: see the module package.

locals {
  s3 = var.package.s3

  # As AWS writes it: three hexadecimal digits are two of base64, and 256 bits end within the last of 43.
  digits        = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  numbers       = var.package.sha256 == null ? [] : [for place in range(22) : parseint(substr("${var.package.sha256}00", 3 * place, 3), 16)]
  sha256_base64 = var.package.sha256 == null ? null : "${substr(join("", [for number in local.numbers : "${substr(local.digits, floor(number / 64), 1)}${substr(local.digits, number % 64, 1)}"]), 0, 43)}="
}

# The hash that S3 computed, or compared with that of the uploader, when it stored this version. No version of an object changes, so
# what is compared here is what Lambda takes.
data "aws_s3_object" "this" {
  count = local.s3 == null || var.package.sha256 == null ? 0 : 1

  bucket        = local.s3.bucket
  key           = local.s3.key
  version_id    = local.s3.object_version
  checksum_mode = "ENABLED"

  lifecycle {
    postcondition {
      condition     = coalesce(self.checksum_sha256, "none") != "none"
      error_message = "package.s3 must name an object that S3 keeps the SHA-256 of: upload it with `aws s3 cp --checksum-algorithm SHA256`; got none for s3://${local.s3.bucket}/${local.s3.key}."
    }

    postcondition {
      condition     = contains(["none", local.sha256_base64], coalesce(self.checksum_sha256, "none"))
      error_message = "package.sha256 must be the SHA-256 of s3://${local.s3.bucket}/${local.s3.key}, which is ${self.checksum_sha256} (${local.sha256_base64} in base64 was given); got \"${var.package.sha256}\"."
    }
  }
}
