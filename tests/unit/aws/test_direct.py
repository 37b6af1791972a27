"""Direct clients do what boto3's do: every test runs both against a server on this machine that answers as AWS does."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.processes import free_port
from tests.unit.aws.scripted_server import HANGS_UP, Asked, Says, ScriptedServer, scripted_server
from thingbridge.aws.broker import Broker
from thingbridge.aws.clients import Clients, for_functions
from thingbridge.aws.direct import Direct
from thingbridge.aws.errors import NotPermitted
from thingbridge.aws.queues import Queue
from thingbridge.aws.retries import ATTEMPTS, COST, QUOTA
from thingbridge.aws.secrets import Secrets
from thingbridge.aws.sessions import NotCounted, SessionTable
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import ShadowFull, Shadows
from thingbridge.aws.signing import Credentials
from thingbridge.aws.things import Things
from thingbridge.aws.waiting_downlinks import Waiting, WaitingDownlinks
from thingbridge.errors import Busy, Misconfigured, Refused

READ_SECONDS, SHORT = 60.0, 0.3
"""Time-outs of these tests: one that no busy machine reaches, and one for the server that does not answer."""

TOPIC = "lorawan/barn/uplink"
ENVIRONMENT = {
    "IOT_ENDPOINT": "a1b2-ats.iot.eu-west-1.amazonaws.com",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "a/token+of=a==role",
}

MakeClients = Callable[..., Clients]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One for all tests of this file: it reads AWS's descriptions of its services."""
    return boto3.Session(
        ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        ENVIRONMENT["AWS_SESSION_TOKEN"],
        ENVIRONMENT["AWS_REGION"],
    )


@pytest.fixture(params=["boto3", "direct"])
def connect(request: pytest.FixtureRequest, session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> MakeClients:
    """Make the clients of an AWS at a URL: boto3's, and direct ones, with the same time-outs and retries."""

    def clients(url: str, read_seconds: float = READ_SECONDS) -> Clients:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        if request.param == "direct":
            # boto3 must not be asked for anything.
            return Clients(NO_BOTO3, direct=direct(url, read_seconds=read_seconds))
        return Clients(session, config=for_functions().merge(Config(connect_timeout=60, read_timeout=read_seconds)))

    return clients


class NoBoto3:
    """A session that creates no clients."""

    @property
    def client(self) -> Callable[..., Any]:
        raise AssertionError("boto3 was asked for a client")


NO_BOTO3 = NoBoto3()


def direct(url: str, **options: Any) -> Direct:
    services = ("dynamodb", "iot", "iot-data", "secretsmanager", "sqs")
    keys = Credentials(
        ENVIRONMENT["AWS_ACCESS_KEY_ID"], ENVIRONMENT["AWS_SECRET_ACCESS_KEY"], ENVIRONMENT["AWS_SESSION_TOKEN"]
    )
    return Direct(dict.fromkeys(services, url), ENVIRONMENT["AWS_REGION"], keys, **options)


@pytest.fixture
def clients(connect: MakeClients, server: ScriptedServer) -> Clients:
    return connect(server.url)


# What is sent -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "encoded"),
    [
        ("lorawan/barn/uplink", "lorawan%2Fbarn%2Fuplink"),
        ("a b/ü+?%/(x)~_.-*'", "a%20b%2F%C3%BC%2B%3F%25%2F%28x%29~_.-%2A%27"),
    ],
)
@pytest.mark.parametrize("payload", [b"", b'{"a" : 1.0}', bytes(range(256)) * 512], ids=["empty", "short", "128 KB"])
def test_a_message_is_published(
    clients: Clients, server: ScriptedServer, topic: str, encoded: str, payload: bytes
) -> None:
    Broker(clients).publish(topic, payload)
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", f"/topics/{encoded}?qos=1", payload)
    check_headers(asked, "iotdata")
    assert clients.take_calls() == {"Publish": 1}


def check_headers(asked: Asked, signing_name: str) -> None:
    assert asked.headers["host"].startswith("127.0.0.1:")
    assert asked.headers["x-amz-security-token"] == ENVIRONMENT["AWS_SESSION_TOKEN"]
    authorization = asked.headers["authorization"]
    assert f"/eu-west-1/{signing_name}/aws4_request, " in authorization
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(
        authorization.split("SignedHeaders=")[1].partition(",")[0].split(";")
    )


@pytest.mark.parametrize(("name", "query"), [("lorawan", "?name=lorawan"), (None, "")])
def test_a_shadow_is_written_and_read(clients: Clients, server: ScriptedServer, name: str | None, query: str) -> None:
    document = {"state": {"reported": {"rssi": -71}}, "version": 3}
    server.script.extend([Says(), Says(body=json.dumps(document).encode())])
    shadows = Shadows(clients, name)
    assert shadows.report("barn:7", {"rssi": -71}) is True
    assert shadows.document("barn:7") == document
    written, read = server.asked
    target = f"/things/barn%3A7/shadow{query}"
    assert (written.method, written.target, read.method, read.target) == ("POST", target, "GET", target)
    assert json.loads(written.body) == {"state": {"reported": {"rssi": -71}}}
    assert written.connection == read.connection
    check_headers(written, "iotdata")
    check_headers(read, "iotdata")


def test_the_other_calls_of_a_message_are_sent(clients: Clients, server: ScriptedServer) -> None:
    secret = {"SecretString": "s3cret", "VersionId": "1", "CreatedDate": 1767225600.5, "ARN": "arn", "Name": "name"}
    thing = {"thingName": "barn", "attributes": {"devEUI": "A8"}, "version": 4, "thingId": "id", "thingArn": "arn"}
    row = {"Item": {"thing": {"S": "barn"}, "state": {"S": "{}"}, "revision": {"N": "6"}}}
    server.script.extend(Says(body=json.dumps(each).encode()) for each in (secret, thing, row, {}, {"MessageId": "1"}))
    assert Secrets(clients).read("arn:secret") == "s3cret"
    described = Things(clients).describe("barn")
    assert described
    assert (described.attributes, described.version, described.id) == ({"devEUI": "A8"}, 4, "id")
    assert ShadowStates(clients, "states").change("barn", lambda text: f"{text}!", 0) == "{}!"
    Queue(clients, "https://sqs.eu-west-1.amazonaws.com/111122223333/farm").send_delayed("{}", 30)
    signed = ("secretsmanager", "iot", "dynamodb", "dynamodb", "sqs")
    for asked, name in zip(server.asked, signed, strict=True):
        check_headers(asked, name)
    sent = [(each.method, each.target, each.headers.get("x-amz-target")) for each in server.asked]
    assert sent == [
        ("POST", "/", "secretsmanager.GetSecretValue"),
        ("GET", "/things/barn", None),
        ("POST", "/", "DynamoDB_20120810.GetItem"),
        ("POST", "/", "DynamoDB_20120810.UpdateItem"),
        ("POST", "/", "AmazonSQS.SendMessage"),
    ]
    assert json.loads(server.asked[3].body)["ExpressionAttributeValues"][":known"] == {"N": "6"}


def test_the_calls_of_a_waiting_downlink_are_sent(clients: Clients, server: ScriptedServer) -> None:
    rows = [{"id": {"S": str(number)}, "receivedAt": {"N": "1795617584123"}} for number in range(2)]
    pages: list[dict[str, Any]] = [{"Items": rows[:1], "LastEvaluatedKey": {"id": {"S": "0"}}}, {"Items": rows[1:]}]
    server.script.extend(Says(body=json.dumps(each).encode()) for each in (*pages, {}, {}))
    waiting = WaitingDownlinks(clients, "downlinks")
    assert waiting.of("barn") == [Waiting("0", 1_795_617_584.123), Waiting("1", 1_795_617_584.123)]
    assert waiting.read("barn", "0") is None
    waiting.delete("barn", "0")
    for asked in server.asked:
        check_headers(asked, "dynamodb")
    targets = [asked.headers["x-amz-target"].partition(".")[2] for asked in server.asked]
    assert targets == ["Query", "Query", "GetItem", "DeleteItem"]
    assert json.loads(server.asked[1].body)["ExclusiveStartKey"] == {"id": {"S": "0"}}
    assert json.loads(server.asked[3].body) == {
        "TableName": "downlinks",
        "Key": {"thing": {"S": "barn"}, "id": {"S": "0"}},
    }


# What is answered ---------------------------------------------------------------------------------------------------


def error(status: int, code: str, message: str = "because") -> Says:
    """An error as AWS IoT's data plane answers with it."""
    return Says(status, json.dumps({"message": message, "traceId": "0-1"}).encode(), {"x-amzn-errortype": code})


@pytest.mark.parametrize(
    ("says", "raised", "text"),
    [
        (error(400, "InvalidRequestException"), Refused, "InvalidRequestException: because"),
        (
            error(400, "InvalidRequestException:http://internal.amazon.com/"),
            Refused,
            "InvalidRequestException: because",
        ),
        (Says(413, b"<html>too large</html>"), Refused, "413: <html>too large</html>"),
        (error(403, "ForbiddenException", "Forbidden"), NotPermitted, "ForbiddenException: Forbidden"),
        (error(403, "ExpiredTokenException"), Misconfigured, "ExpiredTokenException: because: renew the credentials"),
        (
            error(403, "InvalidSignatureException", "Signature expired: 20260102T030405Z is now earlier than"),
            Misconfigured,
            "InvalidSignatureException: Signature expired: 20260102T030405Z is now earlier than: renew",
        ),
        (error(405, "MethodNotAllowedException"), Busy, "MethodNotAllowedException: because"),
        (Says(404, b'{"code": 404, "message": "no such path"}'), Busy, "404: no such path"),
        (Says(404, b""), Busy, "404: "),
    ],
)
def test_an_error_is_what_boto3_makes_of_it(
    clients: Clients, server: ScriptedServer, says: Says, raised: type[Exception], text: str
) -> None:
    server.script.append(says)
    with pytest.raises(raised) as caught:
        Broker(clients).publish(TOPIC, b"{}")
    assert type(caught.value) is raised
    assert f"publish on {TOPIC}: {text}" in str(caught.value)
    assert len(server.asked) == 1


def test_a_shadow_that_is_missing_full_or_of_another_version(clients: Clients, server: ScriptedServer) -> None:
    shadows = Shadows(clients, "lorawan")
    server.script.append(error(404, "ResourceNotFoundException", "No shadow exists with name: 'lorawan'"))
    assert shadows.document("barn") is None
    server.script.append(error(409, "ConflictException", "Version conflict"))
    assert shadows.report("barn", {}, version=3) is False
    server.script.append(error(413, "RequestEntityTooLargeException"))
    with pytest.raises(ShadowFull, match="write the shadow lorawan of barn: RequestEntityTooLargeException: because"):
        shadows.report("barn", {})


def test_errors_of_the_other_services(clients: Clients, server: ScriptedServer) -> None:
    server.script.append(Says(404, b"{}", {"x-amzn-errortype": "ResourceNotFoundException"}))
    assert Things(clients).describe("barn") is None
    missing = {"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret."}
    server.script.append(Says(400, json.dumps(missing).encode()))
    with pytest.raises(Misconfigured, match="can't find the specified secret.: the secret or its value does not exist"):
        Secrets(clients).read("arn:secret")
    gone = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"}
    query_code = "AWS.SimpleQueueService.NonExistentQueue;Sender"
    server.script.append(Says(400, json.dumps(gone).encode(), {"x-amzn-query-error": query_code}))
    with pytest.raises(Misconfigured, match="AWS.SimpleQueueService.NonExistentQueue: gone: the queue does not exist"):
        Queue(clients, "https://sqs.eu-west-1.amazonaws.com/111122223333/farm").send_delayed("{}", 30)


def test_an_item_that_does_not_meet_the_condition_comes_with_the_error(
    clients: Clients, server: ScriptedServer
) -> None:
    item = {"dev_addr": {"S": "260B1C2D"}, "next_f_cnt_down": {"N": "7"}, "counted_in": {"S": "another"}}
    conflict = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "Item": item}
    sessions = SessionTable(clients, "sessions", now=lambda: 0.0)
    sessions._created_at, sessions._created_at_known_until = 1.0, 1e12  # no DescribeTable, which is boto3's
    server.script.append(Says(400, json.dumps(conflict).encode()))
    with pytest.raises(NotCounted):
        sessions.take_counters("A81758FFFE0312AB", "AYxyz0ABCDE=", 1)


# Failures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        error(500, "InternalFailureException"),
        Says(503, b"<html>unavailable</html>"),
        error(429, "ThrottlingException", "Rate exceeded"),
        HANGS_UP,
    ],
    ids=["500", "503", "throttled", "hangs up"],
)
def test_a_request_is_sent_again_when_aws_is_busy_or_does_not_answer(
    clients: Clients, server: ScriptedServer, first: Says
) -> None:
    server.script.append(first)
    Broker(clients).publish(TOPIC, b"{}")
    assert [each.body for each in server.asked] == [b"{}", b"{}"]


def test_a_request_is_sent_again_when_the_answer_takes_too_long(connect: MakeClients, server: ScriptedServer) -> None:
    server.script.append(Says(400, late=True))
    Broker(connect(server.url, SHORT)).publish(TOPIC, b"{}")
    assert {each.body for each in server.asked} == {b"{}"}
    assert len(server.asked) > 1


def test_a_service_that_stays_busy_is_given_up(clients: Clients, server: ScriptedServer) -> None:
    server.script.extend([error(500, "InternalFailureException")] * ATTEMPTS)
    with pytest.raises(Busy, match=f"publish on {TOPIC}: InternalFailureException: because"):
        Broker(clients).publish(TOPIC, b"{}")
    assert len(server.asked) == ATTEMPTS
    assert clients.take_calls() == {"Publish": ATTEMPTS}


def test_a_service_can_be_given_up_sooner_than_the_others(clients: Clients, server: ScriptedServer) -> None:
    clients.try_at_most("iot", 2)
    server.script.extend([error(500, "InternalFailureException")] * 2)
    with pytest.raises(Busy):
        Things(clients).describe("barn")
    assert len(server.asked) == 2
    server.script.extend([error(500, "InternalFailureException")] * (ATTEMPTS - 1))
    Broker(clients).publish(TOPIC, b"{}")


def test_a_server_that_is_not_there_is_busy(connect: MakeClients) -> None:
    with pytest.raises(Busy, match=f"publish on {TOPIC}: .*127.0.0.1"):
        Broker(connect(f"http://127.0.0.1:{free_port()}")).publish(TOPIC, b"{}")


def test_a_connection_is_kept(clients: Clients, server: ScriptedServer) -> None:
    server.script.extend([error(400, "InvalidRequestException"), Says(body=b"x" * 100_000), Says()])
    with pytest.raises(Refused):
        Broker(clients).publish(TOPIC, b"{}")
    Broker(clients).publish(TOPIC, b"{}")
    Shadows(clients, "lorawan").report("barn", {})
    assert [each.connection for each in server.asked] == [1, 1, 1]


def test_what_is_done_while_a_message_is_published_is_done_whatever_the_answer(
    clients: Clients, server: ScriptedServer
) -> None:
    broker, shadows = Broker(clients), Shadows(clients, "lorawan")
    with broker.publishing(TOPIC, b"{}"):
        shadows.report("barn", {})
    assert [each.method for each in server.asked] == ["POST", "POST"]
    with pytest.raises(Busy, match="write the shadow"), broker.publishing(TOPIC, b"{}"):
        raise Busy("write the shadow")
    broker.publish(TOPIC, b"3")
    assert [each.body for each in server.asked[-2:]] == [b"{}", b"3"]
    server.script.append(error(413, "RequestEntityTooLargeException"))
    with pytest.raises(Refused, match="publish on"), broker.publishing(TOPIC, b"{}"):
        pass


def test_a_kept_connection_that_was_closed_is_opened_again(clients: Clients, server: ScriptedServer) -> None:
    server.script.append(Says(then_closes=True))
    Broker(clients).publish(TOPIC, b"1")
    server.script.extend([Says(headers={"Connection": "close"})])
    Broker(clients).publish(TOPIC, b"2")
    Broker(clients).publish(TOPIC, b"3")
    assert [each.body for each in server.asked] == [b"1", b"2", b"3"]


# What boto3 has no counterpart for ----------------------------------------------------------------------------------


def test_a_kept_connection_that_closes_under_a_request_costs_no_pause(server: ScriptedServer) -> None:
    pauses: list[float] = []
    broker = Broker(Clients(NO_BOTO3, direct=direct(server.url, pause=pauses.append)))
    broker.publish(TOPIC, b"1")
    server.script.append(HANGS_UP)
    broker.publish(TOPIC, b"2")
    assert ([each.body for each in server.asked], pauses) == ([b"1", b"2", b"2"], [])


def test_pauses_grow_and_are_longer_when_throttled(server: ScriptedServer) -> None:
    longest: dict[str, list[float]] = {"busy": [], "throttled": []}
    for name, says in (("busy", Says(500)), ("throttled", Says(429))):
        for _ in range(20):
            pauses: list[float] = []
            broker = Broker(Clients(NO_BOTO3, direct=direct(server.url, pause=pauses.append)))
            server.script.extend([says] * ATTEMPTS)
            with pytest.raises(Busy):
                broker.publish(TOPIC, b"")
            longest[name] = [max(pair) for pair in zip(pauses, longest[name] or pauses, strict=True)]
    assert all(found <= most for found, most in zip(longest["busy"], (0.05, 0.1, 0.2, 0.4), strict=True))
    assert all(found <= most for found, most in zip(longest["throttled"], (1, 2, 4, 8), strict=True))
    assert longest["throttled"][0] > 0.05


def test_a_service_that_is_down_for_long_is_not_asked_five_times_by_each_message(server: ScriptedServer) -> None:
    broker = Broker(Clients(NO_BOTO3, direct=direct(server.url, pause=lambda _: None)))
    failures = QUOTA // COST
    server.script.extend([Says(500)] * 10 * failures)
    for _ in range(failures):
        with pytest.raises(Busy):
            broker.publish(TOPIC, b"")
    assert len(server.asked) == failures + failures  # each once, and every retry that was saved up
    server.script.clear()
    broker.publish(TOPIC, b"")


def test_two_calls_are_under_way_at_once_and_their_connections_are_kept(server: ScriptedServer) -> None:
    clients = Clients(NO_BOTO3, direct=direct(server.url))
    broker, shadows = Broker(clients), Shadows(clients, "lorawan")
    for _ in range(2):
        server.script.append(Says(late=True))  # answered once the shadow is written
        with broker.publishing(TOPIC, b"{}"):
            shadows.report("barn", {})
    assert sorted(each.connection for each in server.asked) == [1, 1, 2, 2]
    assert clients.take_calls() == {"Publish": 2, "UpdateThingShadow": 2}


@pytest.mark.parametrize("first", [Says(503), HANGS_UP, Says(then_closes=True)], ids=["busy", "hangs up", "closes"])
def test_a_call_that_has_begun_is_sent_again_like_any_other(server: ScriptedServer, first: Says) -> None:
    broker = Broker(Clients(NO_BOTO3, direct=direct(server.url, pause=lambda _: None)))
    server.script.append(first)
    for body in (b"1", b"2"):
        with broker.publishing(TOPIC, body):
            pass
    assert [each.body for each in server.asked] == ([b"1", b"2"] if first.then_closes else [b"1", b"1", b"2"])


def test_a_server_that_is_not_there_is_found_out_at_the_end_of_the_call() -> None:
    broker = Broker(Clients(NO_BOTO3, direct=direct(f"http://127.0.0.1:{free_port()}", pause=lambda _: None)))
    done = []
    with pytest.raises(Busy, match=f"publish on {TOPIC}: .*127.0.0.1"), broker.publishing(TOPIC, b"{}"):
        done.append("the shadow")
    assert done == ["the shadow"]


def test_a_method_without_a_direct_call_is_boto3s(session: boto3.Session, server: ScriptedServer) -> None:
    clients = Clients(session, direct=direct(server.url))
    assert clients("iot").create_thing.__self__ is clients.boto3_client("iot")
    assert type(clients("logs")).__name__ == "CloudWatchLogs"


# Where the calls go -------------------------------------------------------------------------------------------------


def endpoints(**environment: str) -> dict[str, str]:
    made = Direct.read({**ENVIRONMENT, **environment})
    assert made
    return dict(made._endpoints)


def test_the_endpoints_follow_from_that_of_the_data_plane() -> None:
    assert endpoints() == {
        "iot-data": "https://a1b2-ats.iot.eu-west-1.amazonaws.com",
        "dynamodb": "https://dynamodb.eu-west-1.amazonaws.com",
        "iot": "https://iot.eu-west-1.amazonaws.com",
        "secretsmanager": "https://secretsmanager.eu-west-1.amazonaws.com",
        "sqs": "https://sqs.eu-west-1.amazonaws.com",
    }
    china = endpoints(IOT_ENDPOINT="a1b2.ats.iot.cn-north-1.amazonaws.com.cn")
    assert china["sqs"] == "https://sqs.cn-north-1.amazonaws.com.cn"


def test_other_endpoints_are_chosen_as_for_boto3() -> None:
    everywhere = endpoints(
        AWS_ENDPOINT_URL="http://localhost:4566", AWS_ENDPOINT_URL_IOT_DATA_PLANE="http://localhost:1"
    )
    assert everywhere["sqs"] == everywhere["iot"] == "http://localhost:4566"
    assert everywhere["iot-data"] == "http://localhost:1"


@pytest.mark.parametrize(
    "environment",
    [
        {"IOT_ENDPOINT": ""},
        {"AWS_ACCESS_KEY_ID": ""},  # SnapStart: credentials come from an endpoint
        {"AWS_CA_BUNDLE": "/etc/pki/ca.pem"},
        {"HTTPS_PROXY": "http://proxy:3128"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
    ],
)
def test_what_only_boto3_understands_is_left_to_boto3(environment: dict[str, str]) -> None:
    assert Direct.read({**ENVIRONMENT, **environment}) is None
