"""A prebuilt zip in S3: its hash is compared before anything gets it. Without S3: prebuilt.tftest.hcl, and the cases of
test_validations.py."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.aws import LocalAws
from tests.conftest import Endpoint

pytestmark = pytest.mark.xdist_group("plans")

Run = Callable[..., subprocess.CompletedProcess[str]]
ZIP = b"PK\x05\x06" + 18 * b"\0"


@pytest.fixture(scope="module")
def bucket(aws: LocalAws) -> Any:
    """A client of S3, with a bucket that keeps versions."""
    client = aws.client("s3")
    client.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": aws.region})
    client.put_bucket_versioning(Bucket="artifacts", VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.mark.soak
def test_an_object_in_s3_is_deployed_in_the_version_whose_hash_is_given_and_in_no_other(
    bucket: Any, aws_endpoint: Endpoint, tree: Path, tmp_path: Path, terraform: Run
) -> None:
    digest = hashlib.sha256(ZIP).hexdigest()
    put = {"Bucket": "artifacts", "Key": "functions.zip", "ChecksumAlgorithm": "SHA256"}
    reviewed = bucket.put_object(**put, Body=ZIP)["VersionId"]
    replaced = bucket.put_object(**put, Body=ZIP + b"\0")["VersionId"]
    unknown = bucket.put_object(**put | {"ChecksumAlgorithm": "CRC32"}, Body=ZIP)["VersionId"]

    def plan(version: str) -> str:
        (tmp_path / "main.tf").write_text(
            f"""module "prebuilt" {{
              source  = "{os.path.relpath(tree / "modules" / "prebuilt", tmp_path)}"
              package = {{
                s3     = {{ bucket = "artifacts", key = "functions.zip", object_version = "{version}" }}
                sha256 = "{digest}"
              }}
            }}
            provider "aws" {{ s3_use_path_style = true }}
            output "code" {{ value = module.prebuilt.code }}"""
        )
        terraform(tmp_path, "init", "-no-color", environment=aws_endpoint.environment)
        done = terraform(tmp_path, "plan", "-no-color", check=False, environment=aws_endpoint.environment)
        return " ".join((done.stderr if done.returncode else done.stdout).replace("│", " ").split())

    assert f's3_object_version = "{reviewed}"' in plan(reviewed)
    assert "package.sha256 must be the SHA-256 of s3://artifacts/functions.zip, which is " in plan(replaced)
    assert "package.s3 must name an object that S3 keeps the SHA-256 of" in plan(unknown)
