"""An AWS account in process (moto), and a way to make it answer with an error."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from thingbridge.aws_iot import clients

AnswerWith = Callable[[str, str, int, str], None]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty account; the code under test gets new clients for it."""
    for name, value in {
        "ACCESS_KEY_ID": "test",
        "SECRET_ACCESS_KEY": "test",
        "DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        clients.client.cache_clear()
        yield
    clients.client.cache_clear()


@pytest.fixture
def iot(account: None) -> Any:
    """A client of the account's thing registry, which has the thing type `lorawan`."""
    client = boto3.client("iot")
    client.create_thing_type(thingTypeName="lorawan")
    return client


@pytest.fixture
def answer_with(account: None) -> AnswerWith:
    """Make an operation of a service answer with an error: service, operation, HTTP status, code."""

    class Response:
        def __init__(self, status: int) -> None:
            self.status_code = status

    def arrange(service: str, operation: str, status: int, code: str) -> None:
        def answer(**_: Any) -> tuple[Response, dict[str, Any]]:
            error = {"Code": code, "Message": "so it is"}
            return Response(status), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}

        client = clients.client(service)
        service_id = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-call.{service_id}.{operation}", answer)

    return arrange
