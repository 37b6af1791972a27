"""The receiver of mode `webhook`, on an account in process: who may publish, and what is published and answered."""

import base64
import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from tests import events, hostile
from tests.unit.conftest import AnswerWith, Clock
from thingbridge.aws.broker import Broker
from thingbridge.aws.clients import Clients
from thingbridge.aws.secrets import TIME_TO_LIVE, Secrets
from thingbridge.errors import BadInput
from thingbridge.flows.ingest.receiver import OVERLAP, READ_AGAIN_AFTER, Receiver
from thingbridge.messaging import upstream

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


# Forged requests -----------------------------------------------------------------------------------------------------

DEEP = "[" * 10_000 + "]" * 10_000
FORGED_BODIES = {
    "deep": BODY[:-1] + f', "x": {DEEP}}}',
    "deep alone": DEEP,
    "a number of 5,000 digits": BODY[:-1] + ', "x": ' + "9" * 5000 + "}",
    "a huge exponent": BODY[:-1] + ', "x": 1e99999}',
    "not a number": BODY[:-1] + ', "x": NaN, "y": -Infinity}',
    "the application twice, ours last": '{"end_device_ids": {"application_ids": {"application_id": "barn-app"}}, '
    + BODY[1:],
    "half a surrogate pair": BODY[:-1] + r', "x": "\ud800"}',
    "a list as application": BODY.replace('"farm-app"', '["farm-app"]'),
    "an application in another form": BODY.replace('"farm-app"', '"FARM-APP"'),
    "form data": "end_device_ids=1",
    "multipart": "--x\r\nContent-Disposition: form-data\r\n\r\n" + BODY,
    "XML with entities": '<!DOCTYPE x [<!ENTITY a "aa">]><x>&a;</x>',
}
BINARY = {
    "gzip": gzip.compress(BODY.encode()),
    "a bomb": gzip.compress(b"0" * 10_000_000),
    "UTF-16": BODY.encode("utf-16"),
    "UTF-8 that is none": b"\xff\xfe\xfd" + BODY.encode(),
    "6 MB": b"\0" * (6 * 1024 * 1024),
}


def read_again(payload: bytes) -> Any:
    """A published body as the function `upstream` reads it; None if it refuses it."""
    try:
        return upstream.parse(events.rule_output(payload), "farm").body
    except BadInput:
        return None


@pytest.mark.parametrize("name", [*FORGED_BODIES, *BINARY])
def test_a_body_that_the_things_stack_does_not_send_is_rejected_or_published_as_it_is(post: Post, name: str) -> None:
    encoded = base64.b64encode(BINARY[name]).decode() if name in BINARY else FORGED_BODIES[name]
    status = post(encoded, isBase64Encoded=name in BINARY)
    sent = BINARY[name] if name in BINARY else FORGED_BODIES[name].encode()
    assert published() == ([("thethings/lorawan/farm/uplink", sent)] if status == 204 else [])
    assert status in (204, 400, 403, 413)
    if status == 204 and (body := read_again(sent)):
        # Nobody reads another application into it than the one that was admitted.
        assert body["end_device_ids"]["application_ids"]["application_id"] == "farm-app"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-THINGBRIDGE-SECRET": SECRET}, 204),
        ({"x-thingbridge-secret": f"{SECRET},{SECRET}"}, 401),
        ({"x-thingbridge-secret": f" {SECRET}"}, 401),
        ({"x-thingbridge-secret": SECRET.upper() if SECRET.lower() == SECRET else SECRET.lower()}, 401),
        ({"x-thingbridge-secret": [SECRET]}, 401),
        ({"x_thingbridge_secret": SECRET}, 401),
        ({"x-thingbridge-secret\0": SECRET}, 401),
        ({"authorization": f"Bearer {SECRET}"}, 401),
        ({"cookie": f"x-thingbridge-secret={SECRET}"}, 401),
        ({"x-forwarded-for": "127.0.0.1", "x-original-url": "/farm-app/uplink"}, 401),
        ({"x-http-method-override": "PUT", "content-encoding": "gzip", "x-thingbridge-secret": SECRET}, 204),
        (None, 401),
        ([], 401),
        ("x-thingbridge-secret", 401),
    ],
)
def test_the_secret_counts_in_its_own_header_alone(post: Post, headers: Any, status: int) -> None:
    assert post(secret=None, headers=headers, queryStringParameters={"x-thingbridge-secret": SECRET}) == status


def test_a_stranger_learns_nothing_and_writes_nothing_into_the_log(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in hostile.SOME:
        assert post(secret=text, path=f"/{text}/uplink", method=text, body=text) == 401
    assert capsys.readouterr().out == ""
    assert published() == []


def test_a_rejection_is_logged_without_the_secret_and_the_body_in_a_line_of_its_own(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in hostile.SOME:
        post(path=f"/{text}/uplink")
        post(method=text)
        post(body=json.dumps({"end_device_ids": {"application_ids": {"application_id": text}}, "planted": "PLANTED"}))
    output = capsys.readouterr().out
    assert len(output.splitlines()) >= 2 * len(hostile.SOME)
    assert {json.loads(line)["event"] for line in output.splitlines()} == {"webhook_rejected"}
    assert output.replace("\n", "").isprintable()
    assert output.isascii()
    assert not [each for each in (SECRET, "PLANTED") if each in output]
    assert max(map(len, output.splitlines())) < 1000


def test_an_event_that_no_function_url_sends_is_answered(post: Post) -> None:
    for text in (None, 5, [], {}, "x", "\ud800"):
        assert post(requestContext=text) == 405
        assert post(requestContext={"http": text}) == 405
        assert post(rawPath=text) == 404
        assert post(text) == 400
        assert post(text, isBase64Encoded=True) == 400
