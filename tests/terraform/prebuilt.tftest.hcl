# A prebuilt zip in S3 is compared with the hash that S3 keeps. Planned against a mocked account.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  package = {
    s3     = { bucket = "artifacts", key = "functions.zip", object_version = "1" }
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }
}

run "an_object_with_the_given_hash_is_the_code" {
  command = plan

  module {
    source = "./modules/prebuilt"
  }

  assert {
    condition     = jsonencode(output.code) == jsonencode({ filename = null, s3_bucket = "artifacts", s3_key = "functions.zip", s3_object_version = "1", source_code_hash = base64sha256("") })
    error_message = "got ${jsonencode(output.code)}"
  }
}

run "an_object_with_another_hash_fails_the_plan" {
  command = plan

  module {
    source = "./modules/prebuilt"
  }

  override_data {
    target = data.aws_s3_object.this
    values = { checksum_sha256 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=" }
  }

  expect_failures = [data.aws_s3_object.this]
}

run "an_object_whose_hash_s3_does_not_keep_fails_the_plan" {
  command = plan

  module {
    source = "./modules/prebuilt"
  }

  override_data {
    target = data.aws_s3_object.this
    values = { checksum_sha256 = "" }
  }

  expect_failures = [data.aws_s3_object.this]
}
