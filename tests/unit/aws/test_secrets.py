"""Secrets: kept for a few minutes, read anew when asked to."""

from typing import Any

import boto3
import pytest

from thingbridge.aws_iot import secrets
from thingbridge.errors import Busy, Misconfigured


@pytest.fixture
def key(account: None) -> Any:
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name="farm/ApplicationAPIKey", SecretString="first")["ARN"]
    return client, arn


def test_a_rotated_secret_is_picked_up_in_time(key: Any) -> None:
    client, arn = key
    assert secrets.secret(arn, now=lambda: 0.0) == "first"
    client.put_secret_value(SecretId=arn, SecretString="second")
    assert secrets.secret(arn, now=lambda: secrets.TIME_TO_LIVE - 1) == "first"
    assert secrets.secret(arn, now=lambda: secrets.TIME_TO_LIVE) == "second"


def test_a_refused_secret_is_read_anew_at_once(key: Any) -> None:
    client, arn = key
    secrets.secret(arn)
    client.put_secret_value(SecretId=arn, SecretString="second")
    assert secrets.secret(arn, refresh=True) == "second"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(400, "AccessDeniedException", Misconfigured), (500, "InternalServiceError", Busy)],
)
def test_a_secret_that_can_not_be_read_is_named(answer_with: Any, status: int, code: str, error: type) -> None:
    answer_with("secretsmanager", "GetSecretValue", status, code)
    with pytest.raises(error, match="read the secret arn:x"):
        secrets.secret("arn:x")
