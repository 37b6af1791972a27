"""The receiver of mode `webhook`, on an account in process: who may publish, and what is published and answered."""

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from tests import events
from tests.unit.conftest import AnswerWith, Clock
from thingbridge.aws.broker import Broker
from thingbridge.aws.clients import Clients
from thingbridge.aws.secrets import TIME_TO_LIVE, Secrets
from thingbridge.flows.ingest.receiver import OVERLAP, READ_AGAIN_AFTER, Receiver

EVENT = events.load("function_url/uplink")
SECRET = EVENT["headers"]["x-thingbridge-secret"]
BODY = EVENT["body"]
PATH = EVENT["rawPath"]

Post = Callable[..., int]


@pytest.fixture
def secret_arn(clients: Clients) -> str:
    return str(clients("secretsmanager").create_secret(Name="farm/WebhookSecret", SecretString=SECRET)["ARN"])


@pytest.fixture
def rule() -> str | None:
    """The rule of Basic Ingest."""
    return None


@pytest.fixture
def post(clients: Clients, secret_arn: str, clock: Clock, rule: str | None) -> Post:
    """Post a message to the receiver; returns the status of the answer, which never has a body."""
    receiver = Receiver("farm", secret_arn, Secrets(clients, now=clock), Broker(clients), rule)

    def send(
        body: str = BODY,
        *,
        secret: str | None = SECRET,
        method: str = "POST",
        path: str = "/farm-app/uplink",
        **more: Any,
    ) -> int:
        headers = {name: value for name, value in EVENT["headers"].items() if name != "x-thingbridge-secret"}
        headers |= {} if secret is None else {"x-thingbridge-secret": secret}
        http = {**EVENT["requestContext"]["http"], "method": method, "path": path}
        context = {**EVENT["requestContext"], "http": http}
        answer = receiver.handle(
            {**EVENT, "rawPath": path, "headers": headers, "body": body, "requestContext": context, **more}
        )
        assert answer["body"] == ""
        return int(answer["statusCode"])

    return send


def published() -> list[Any]:
    return list(iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads)


def test_a_message_is_published_unchanged_on_the_topic_of_the_rule(post: Post) -> None:
    body = BODY.replace('"tank-7"', '"tank-7",  "n": 10.0')
    assert body != BODY
    assert post(body, path="/farm-app/downlink/ack") == 204
    assert published() == [("thethings/lorawan/farm/downlink/ack", body.encode())]


@pytest.mark.parametrize("rule", ["farm_upstream"])
def test_with_basic_ingest_a_message_starts_the_rule_directly(post: Post) -> None:
    assert post() == 204
    assert published() == [("$aws/rules/farm_upstream/thethings/lorawan/farm/uplink", BODY.encode())]


def test_a_message_is_answered_after_one_call_of_aws(post: Post, calls: Callable[[], dict[str, int]]) -> None:
    calls()
    assert post() == 204
    assert calls() == {"GetSecretValue": 1, "Publish": 1}
    assert post() == 204
    assert calls() == {"Publish": 1}


def test_a_body_in_base64_is_decoded(post: Post) -> None:
    assert post(base64.b64encode(BODY.encode()).decode(), isBase64Encoded=True) == 204
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
        ({"path": "/uplink"}, 404),
        ({"path": "/farm-app"}, 404),
        ({"path": "/farm-app/downlink/push"}, 404),
        ({"path": "/farm-app/uplink/more"}, 404),
        ({"path": "/barn-app/uplink"}, 403),
        ({"method": "GET"}, 405),
        ({"body": "x" * (128 * 1024 + 1)}, 413),
        ({"body": "ü" * (64 * 1024) + "x"}, 413),
        ({"body": ""}, 400),
        ({"body": "plain text"}, 400),
        ({"body": "[" * 100_000}, 400),
        ({"body": '{"end_device_ids": []}'}, 400),
        ({"body": "not base64!", "isBase64Encoded": True}, 400),
        ({"body": BODY.replace("farm-app", "barn-app")}, 403),
    ],
)
def test_a_rejected_request_is_answered_without_a_body_and_published_nowhere(
    post: Post, request_: dict[str, Any], status: int
) -> None:
    assert post(**request_) == status
    assert published() == []


def test_the_largest_message_that_aws_iot_publishes_is_accepted(post: Post) -> None:
    body = BODY[:-1] + ', "x": "' + "x" * (128 * 1024 - len(BODY) - 9) + '"}'
    assert len(body.encode()) == 128 * 1024
    assert post(body) == 204


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [(429, "ThrottlingException", 503), (403, "ForbiddenException", 503), (400, "InvalidRequestException", 502)],
)
def test_a_message_that_aws_iot_does_not_accept_is_an_error(
    post: Post, answer_with: AnswerWith, status: int, code: str, answered: int
) -> None:
    answer_with("iot-data", "Publish", status, code)
    assert post() == answered


def test_a_secret_that_can_not_be_read_makes_the_sender_retry(post: Post, answer_with: AnswerWith) -> None:
    answer_with("secretsmanager", "GetSecretValue", 500, "InternalServiceError")
    assert post() == 503


def test_no_message_is_lost_while_the_secret_is_rotated(
    post: Post, clients: Clients, secret_arn: str, clock: Clock
) -> None:
    clock.now = time.time()
    assert post() == 204
    clients("secretsmanager").put_secret_value(SecretId=secret_arn, SecretString="another")
    clock.now += READ_AGAIN_AFTER
    # The Things Stack shows the former secret until it is configured with the new one.
    assert [post(secret=secret) for secret in (SECRET, "another", SECRET)] == [204] * 3
    clock.now += OVERLAP
    assert [post(secret=secret) for secret in (SECRET, "another")] == [401, 204]


def test_an_instance_that_starts_during_a_rotation_accepts_both_secrets(
    post: Post, clients: Clients, secret_arn: str, clock: Clock
) -> None:
    clients("secretsmanager").put_secret_value(SecretId=secret_arn, SecretString="another")
    clock.now = time.time()
    assert [post(secret=secret) for secret in (SECRET, "another", "third")] == [204, 204, 401]


def test_a_second_rotation_ends_the_first_secret_once_an_instance_reads_it_again(
    post: Post, clients: Clients, secret_arn: str, clock: Clock
) -> None:
    clock.now = time.time()
    assert post() == 204
    for secret in ("second", "third"):
        clients("secretsmanager").put_secret_value(SecretId=secret_arn, SecretString=secret)
    clock.now += TIME_TO_LIVE
    assert [post(secret=secret) for secret in (SECRET, "second", "third")] == [401, 204, 204]


def test_wrong_secrets_cost_one_call_of_aws_per_second(
    post: Post, clock: Clock, calls: Callable[[], dict[str, int]]
) -> None:
    clock.now = time.time()
    assert post() == 204
    calls()
    assert [post(secret="guess") for _ in range(3)] == [401] * 3
    assert calls() == {"GetSecretValue": 1}  # whether there is a secret before this one
    clock.now += READ_AGAIN_AFTER
    assert [post(secret="guess") for _ in range(3)] == [401] * 3
    assert calls() == {"GetSecretValue": 1}
