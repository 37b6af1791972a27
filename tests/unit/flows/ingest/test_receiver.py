"""Function `webhook` on an account in process: who is let in, what is published, and what the answer says."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends
from thingbridge.aws_iot import clients, secrets

from handlers import webhook

SECRET = "5ec2e7" * 10
BODY = json.dumps({"end_device_ids": {"device_id": "tank-7", "application_ids": {"application_id": "farm-app"}}})


@pytest.fixture(autouse=True)
def secret_arn(account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    arn = boto3.client("secretsmanager").create_secret(Name="farm/WebhookSecret", SecretString=SECRET)["ARN"]
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": "",
        "APPLICATION_ID": "farm-app",
        "WEBHOOK_SECRET_ARN": arn,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    webhook._settings.cache_clear()
    secrets._cache.clear()
    yield arn
    webhook._settings.cache_clear()
    secrets._cache.clear()


def call(
    body: str = BODY, *, secret: str | None = SECRET, method: str = "POST", path: str = "/uplink", **more: Any
) -> int:
    headers = {"content-type": "application/json"} | ({"x-thingbridge-secret": secret} if secret is not None else {})
    event = {"rawPath": path, "headers": headers, "body": body, "isBase64Encoded": False, **more}
    answer = webhook.handler({**event, "requestContext": {"http": {"method": method, "path": path}}}, None)
    assert answer["body"] == ""
    return int(answer["statusCode"])


def published() -> list[Any]:
    return list(iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads)


def test_a_message_is_published_unchanged_where_the_rule_listens() -> None:
    body = BODY.replace('"tank-7"', '"tank-7",  "n": 10.0')
    assert call(body, path="/downlink/ack") == 204
    assert published() == [("thethings/lorawan/farm/downlink/ack", body.encode())]


def test_a_body_in_base64_is_decoded() -> None:
    assert call(base64.b64encode(BODY.encode()).decode(), isBase64Encoded=True) == 204
    assert published() == [("thethings/lorawan/farm/uplink", BODY.encode())]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"secret": None}, 401),
        ({"secret": ""}, 401),
        ({"secret": SECRET[:-1]}, 401),
        ({"secret": "ünïcode"}, 401),
        ({"secret": "\ud800"}, 401),
        ({"secret": "x", "method": "GET", "path": "/.env"}, 401),
        ({"path": "/"}, 404),
        ({"path": "/downlink/push"}, 404),
        ({"path": "/uplink/more"}, 404),
        ({"method": "GET"}, 405),
        ({"body": "x" * (128 * 1024 + 1)}, 413),
        ({"body": "ü" * (64 * 1024) + "x"}, 413),
        ({"body": ""}, 400),
        ({"body": "no JSON"}, 400),
        ({"body": "[" * 100_000}, 400),
        ({"body": '{"end_device_ids": []}'}, 400),
        ({"body": "not base64!", "isBase64Encoded": True}, 400),
        ({"body": BODY.replace("farm-app", "barn-app")}, 403),
    ],
)
def test_what_is_not_let_in_is_answered_without_a_word_and_published_nowhere(
    request_: dict[str, Any], status: int
) -> None:
    assert call(**request_) == status
    assert published() == []


def test_the_largest_message_that_aws_iot_publishes_is_let_in() -> None:
    body = BODY[:-1] + ', "x": "' + "x" * (128 * 1024 - len(BODY) - 9) + '"}'
    assert len(body.encode()) == 128 * 1024
    assert call(body) == 204


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [(429, "ThrottlingException", 503), (403, "ForbiddenException", 503), (400, "InvalidRequestException", 502)],
)
def test_what_aws_iot_does_not_take_is_no_success(answer_with: Any, status: int, code: str, answered: int) -> None:
    answer_with("iot-data", "Publish", status, code)
    assert call() == answered


def test_a_secret_that_can_not_be_read_has_the_message_sent_again(answer_with: Any) -> None:
    answer_with("secretsmanager", "GetSecretValue", 500, "InternalServiceError")
    assert call() == 503


def test_a_rotated_secret_is_taken_up_at_most_once_a_minute(secret_arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setitem(secrets.secret.__kwdefaults__, "now", lambda: clock[0])
    reads: list[str] = []
    client = clients.client("secretsmanager")
    get = client.get_secret_value
    monkeypatch.setattr(client, "get_secret_value", lambda **given: reads.append("read") or get(**given))
    assert call() == 204
    client.put_secret_value(SecretId=secret_arn, SecretString="another")
    clock[0] = 59
    assert [call(secret="another") for _ in range(3)] == [401] * 3
    clock[0] = 60
    assert call(secret="another") == 204
    assert call() == 401
    clock[0] = 119
    assert [call(secret="guess") for _ in range(3)] == [401] * 3
    assert len(reads) == 2
