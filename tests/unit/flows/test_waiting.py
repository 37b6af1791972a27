"""Messages that wait for their thing, on an account in process: they join the queue of their device, in order."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.hooks import HierarchicalEmitter
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from handlers import batches, composition
from tests import events
from tests.unit.conftest import AnswerWith, arrange_answer, create_directory_table, refusal
from tests.unit.invocation import Invocation
from tests.unit.lent_clients import LentClients
from thingbridge.aws.clients import Clients
from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.waiting_devices import WaitingDevices
from thingbridge.errors import Busy, Throttled
from thingbridge.flows.upstream import Upstream
from thingbridge.flows.waiting import LONGEST_PAUSE, MOST_ATTEMPTS, WaitingMessages
from thingbridge.registry.directory import Fact, Surveyed

GROUP, TABLE = "/thethings/lorawan/farm/things", "farm-waiting"
RETAINED = 14 * 86_400
MOST_RECEIVES = 1000
ENVIRONMENT = {
    "STACK_NAME": "farm",
    "THINGS_LOG_GROUP": GROUP,
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "SHADOW": '{"metrics": true}',
    "DIRECTORY_TABLE": "farm-directory",
}
TANK, BARN = "A81758FFFE0312AB", "A81758FFFE0312AC"


def uplink(number: int, dev_eui: str = TANK) -> dict[str, Any]:
    """The rule's output for an uplink of a device, whose name ends as its DevEUI does."""
    ids = {"device_id": f"device-{dev_eui[-2:].lower()}", "dev_eui": dev_eui}
    message = {"f_cnt": number, "rx_metadata": [{"gateway_ids": {"gateway_id": "roof"}, "rssi": -71}]}
    return events.rule_output({"end_device_ids": ids, "received_at": events.just_now(), "uplink_message": message})


@dataclass
class Stack:
    """Both functions, and the queues between them."""

    clients: Clients
    other: Clients
    queue_url: str
    dead_letters_url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            **ENVIRONMENT,
            "MAXIMUM_RECEIVE_COUNT": str(MOST_RECEIVES),
            "WAITING_TABLE": TABLE,
            "WAITING_QUEUE_URL": self.queue_url,
            "WAITING_DEAD_LETTERS_URL": self.dead_letters_url,
            "CREATE_THING_RATE": "1000000",
            "LIST_THINGS_RATE": "1000000",
        }

    def upstream(self) -> Upstream:
        """A new execution environment of `upstream`."""
        return composition.upstream(self.environment, self.clients)

    def waiting(self) -> WaitingMessages:
        """A new execution environment of `waiting`, whose calls are never throttled."""
        return composition.waiting(self.environment, self.other)

    def messages(self, url: str | None = None, seconds: int = 0, most: int = 10) -> list[dict[str, Any]]:
        """Messages of a queue as its function receives them; they are hidden for some seconds."""
        received = boto3.client("sqs").receive_message(
            QueueUrl=url or self.queue_url, MaxNumberOfMessages=most, AttributeNames=["All"], VisibilityTimeout=seconds
        )
        (like,) = events.load("sqs/registry_event")["Records"]
        return [
            {
                **like,
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
            }
            for each in received.get("Messages", [])
        ]

    def work_off(self, flow: WaitingMessages, most: int = 10) -> batches.Failures:
        """Handle messages as Lambda does: what is not reported is deleted."""
        records = self.messages(seconds=30, most=most)
        failures = batches.handle_deliveries(
            {"Records": records},
            lambda each: flow.handle(each.body, each.received),
            share=batches.Share(Invocation()),
        )
        failed = {each["itemIdentifier"] for each in failures["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in failed:
                boto3.client("sqs").delete_message(QueueUrl=self.queue_url, ReceiptHandle=record["receiptHandle"])
        return failures


@pytest.fixture
def stack(iot: Any, clients: Clients, session: LentClients) -> Stack:
    clients("logs").create_log_group(logGroupName=GROUP)
    create_directory_table(clients)
    clients("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "device", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "device", "AttributeType": "S"}],
    )
    fifo = {"FifoQueue": "true"}
    urls = [
        clients("sqs").create_queue(QueueName=f"{name}.fifo", Attributes=fifo)["QueueUrl"]
        for name in ("farm-waiting", "farm-waiting-dead-letters")
    ]
    return Stack(clients, Clients(session), *urls)


class Throttle:
    """AWS throttles an operation for the function `upstream` while this is on."""

    def __init__(self, clients: Clients, operation: str) -> None:
        self.on = True
        hooks: HierarchicalEmitter = clients("iot").meta.events
        hooks.register(f"before-call.iot.{operation}", self._answer)

    def _answer(self, **_: Any) -> Any:
        return refusal(429, "ThrottlingException") if self.on else None


@pytest.fixture
def throttle(stack: Stack) -> Throttle:
    return Throttle(stack.clients, "CreateThing")


def published() -> list[tuple[str, int]]:
    """Thing and frame counter of each uplink that was published, in order."""
    payloads = iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads
    return [(topic.split("/")[1], json.loads(body)["uplink_message"]["f_cnt"]) for topic, body in payloads]


def things() -> list[str]:
    return [each["thingName"] for each in boto3.client("iot").list_things()["things"]]


@pytest.mark.parametrize("operation", ["DescribeThing", "ListThings", "CreateThing"])
def test_a_message_whose_thing_is_not_made_for_the_rate_of_calls_waits_in_the_queue_of_its_device(
    stack: Stack, operation: str
) -> None:
    Throttle(stack.clients, operation)
    message = uplink(1)
    stack.upstream().handle(message)
    assert (published(), things()) == ([], [])
    (record,) = stack.messages()
    assert json.loads(record["body"]) == message
    assert record["attributes"]["MessageGroupId"] == "device-ab"
    assert stack.work_off(stack.waiting()) == {"batchItemFailures": []}
    assert published() == [(TANK, 1)]


@pytest.mark.parametrize(("status", "code"), [(500, "InternalFailureException"), (403, "AccessDeniedException")])
def test_what_fails_for_another_reason_is_raised_and_does_not_wait(
    stack: Stack, answer_with: AnswerWith, status: int, code: str
) -> None:
    answer_with("iot", "CreateThing", status, code)
    with pytest.raises(Exception, match=code):
        stack.upstream().handle(uplink(1))
    assert stack.messages() == []


def test_a_throttled_publish_does_not_wait_for_a_thing(stack: Stack, answer_with: AnswerWith) -> None:
    answer_with("iot-data", "Publish", 429, "ThrottlingException")
    with pytest.raises(Throttled):
        stack.upstream().handle(uplink(1))
    assert stack.messages() == []


def test_later_messages_of_the_device_wait_behind_the_first_until_the_last_one_is_handled(
    stack: Stack, throttle: Throttle
) -> None:
    stack.upstream().handle(uplink(1))
    throttle.on = False
    stack.upstream().handle(uplink(2))
    waiting = stack.waiting()
    assert things() == []
    assert stack.work_off(waiting, most=1) == {"batchItemFailures": []}
    assert (published(), things()) == ([(TANK, 1)], [TANK])
    # Its thing is there, but the second message still waits.
    stack.upstream().handle(uplink(3))
    assert published() == [(TANK, 1)]
    assert stack.work_off(waiting) == {"batchItemFailures": []}
    stack.upstream().handle(uplink(4))
    assert published() == [(TANK, 1), (TANK, 2), (TANK, 3), (TANK, 4)]


def test_of_the_messages_of_a_device_only_the_last_one_costs_a_write_when_it_was_handled(
    stack: Stack, throttle: Throttle
) -> None:
    for number in range(1, 5):
        stack.upstream().handle(uplink(number))
    waiting = stack.waiting()
    stack.work_off(waiting, most=1)  # what it does once is done
    stack.other.take_calls()
    written = []
    for _ in range(3):
        stack.work_off(waiting, most=1)
        written.append(stack.other.take_calls().get("DeleteItem", 0))
    assert written == [0, 0, 1]
    assert "Item" not in boto3.client("dynamodb").get_item(TableName=TABLE, Key={"device": {"S": "device-ab"}})


def test_a_handled_message_leaves_also_while_the_table_can_not_be_read(stack: Stack, answer_with: AnswerWith) -> None:
    devices, seen_by_others = WaitingDevices(stack.clients, TABLE), WaitingDevices(stack.other, TABLE)
    for message in ("first", "last"):
        devices.joined("device-ab", message, time.time())
    answer_with("dynamodb", "GetItem", 400, "ProvisionedThroughputExceededException")
    devices.left("device-ab", "first")
    assert seen_by_others.has("device-ab")
    devices.left("device-ab", "last")
    assert not seen_by_others.has("device-ab")


def test_another_device_does_not_wait(stack: Stack, throttle: Throttle) -> None:
    flow = stack.upstream()
    flow.handle(uplink(1))
    throttle.on = False
    flow.handle(uplink(1, BARN))
    assert published() == [(BARN, 1)]


def test_a_known_device_costs_no_more_while_others_wait(
    stack: Stack, throttle: Throttle, calls: Callable[[], dict[str, int]]
) -> None:
    flow = stack.upstream()
    throttle.on = False
    flow.handle(uplink(1, BARN))
    throttle.on = True
    flow.handle(uplink(1))
    calls()
    flow.handle(uplink(2, BARN))
    assert calls() == {"Publish": 1, "UpdateThingShadow": 1}


@pytest.mark.parametrize(("days", "reads"), [(16, 1), (14, 2)])
def test_whether_messages_wait_is_read_only_while_one_could(
    stack: Stack, throttle: Throttle, calls: Callable[[], dict[str, int]], days: int, reads: int
) -> None:
    throttle.on = False
    stack.upstream().handle(uplink(1))
    now = time.time()
    table = DirectoryTable(stack.clients, "farm-directory")
    boto3.client("dynamodb").delete_item(TableName="farm-directory", Key={"device": {"S": TANK}})
    assert table.write(TANK, Fact(TANK, int((now - days * 86_400) * 1_000_000)))
    table.set_survey(Surveyed(now, now + 86_400))
    flow = stack.upstream()
    calls()
    flow.handle(uplink(2))
    made = calls()
    # The survey is read besides, by each process once a minute.
    assert made.pop("GetItem") == reads + 1
    assert made == {"Publish": 1, "UpdateThingShadow": 1}


def test_a_message_does_not_pass_one_that_waits_when_the_thing_was_made_meanwhile(
    stack: Stack, throttle: Throttle
) -> None:
    stack.upstream().handle(uplink(1))
    now = time.time()
    DirectoryTable(stack.clients, "farm-directory").write(TANK, Fact(TANK, int(now * 1_000_000)))
    throttle.on = False
    stack.upstream().handle(uplink(2))
    assert len(stack.messages()) == 2


def test_a_message_that_is_delivered_twice_waits_once(stack: Stack, throttle: Throttle) -> None:
    message = uplink(1)
    for _ in range(2):
        stack.upstream().handle(message)
    assert len(stack.messages()) == 1


def test_a_message_that_the_queue_does_not_take_is_raised(stack: Stack, throttle: Throttle, answer_with: Any) -> None:
    answer_with("sqs", "SendMessage", 503, "ServiceUnavailable")
    with pytest.raises(Busy):
        stack.upstream().handle(uplink(1))


def test_a_function_without_a_queue_raises_what_is_throttled(stack: Stack, throttle: Throttle) -> None:
    with pytest.raises(Throttled):
        composition.upstream(ENVIRONMENT, stack.clients).handle(uplink(1))


def test_a_message_that_is_throttled_is_never_given_up(stack: Stack, throttle: Throttle) -> None:
    stack.upstream().handle(uplink(1))
    flow = composition.waiting(stack.environment, stack.clients)
    (record,) = stack.messages()
    with pytest.raises(Throttled):
        flow.handle(record["body"], MOST_RECEIVES)
    assert stack.messages(stack.dead_letters_url) == []
    # The queue moves nothing to the dead letters as long as it keeps it.
    assert sum((*batches.PAUSES, *(MOST_RECEIVES - 1 - len(batches.PAUSES)) * [LONGEST_PAUSE])) > RETAINED


def test_a_message_that_fails_for_another_reason_is_given_up_and_the_next_one_is_handled(
    stack: Stack, throttle: Throttle
) -> None:
    for number in (1, 2):
        stack.upstream().handle(uplink(number))
    bad, good = stack.messages()
    arrange_answer(stack.other, "iot-data", "Publish", 500, "InternalFailureException")
    failing = stack.waiting()
    with pytest.raises(Busy):
        failing.handle(bad["body"], MOST_ATTEMPTS - 1)
    failing.handle(bad["body"], MOST_ATTEMPTS)
    (letter,) = stack.messages(stack.dead_letters_url)
    assert (letter["body"], letter["attributes"]["MessageGroupId"]) == (bad["body"], "device-ab")
    throttle.on = False
    composition.waiting(stack.environment, stack.clients).handle(good["body"], 1)
    assert published() == [(TANK, 2)]


@pytest.mark.parametrize("body", ["", "[]", "not JSON", '{"topic": "a/b", "payload": "!"}'])
def test_a_message_that_a_person_has_put_there_and_that_says_nothing_is_recorded(stack: Stack, body: str) -> None:
    stack.waiting().handle(body, 1)
    (entry,) = boto3.client("logs").get_log_events(logGroupName=GROUP, logStreamName="unidentified")["events"]
    assert json.loads(entry["message"])["event"] == "message_dropped"
