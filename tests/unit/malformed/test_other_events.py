"""Malformed requests, shadow deltas, registry events, work items, ticks, posts and queue messages, through their flows.

Each is carried out, left to others, answered or recorded once. None is raised, except for the message of a queue that
only this product writes to (a deferred write of a shadow), for which the dead-letter queue is the record.
"""

import json
import math
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from tests import events
from tests.malformed import chosen, malformed, messages, paths, replaced
from tests.unit.conftest import APPLICATION
from tests.unit.flows.conftest import DOWNLINKS, KEK, create_downlinks_table
from tests.unit.invocation import Invocation
from tests.unit.malformed.account import Account, is_shadow_state
from tests.unit.malformed.conftest import EVERYTHING, LABEL, PLAIN, SECRET
from thingbridge.aws.clients import Clients
from thingbridge.encryption import downlinks as encryption
from thingbridge.encryption.messages import SessionKey
from thingbridge.encryption.sessions import LAST_FRAME_COUNTER, Session, SessionSeen
from thingbridge.errors import BadInput, Refused
from thingbridge.lorawan import key_envelope
from thingbridge.registry.attributes import Attribute
from thingbridge.registry.device_index import is_remembered
from thingbridge.registry.reconcile import DevicePage
from thingbridge.registry.sync import Run, SyncMode
from thingbridge.registry.work_items import WorkItem

THINGS_STACK: Final = {
    "CLUSTER_ADDRESS": "http://localhost:1",
    "IDENTITY_SERVER_ADDRESS": "http://localhost:1",
    "APPLICATION_ID": APPLICATION,
    "API_KEY_SECRET_ARN": SECRET,
}
WAITING: Final = {
    "DOWNLINKS_TABLE": DOWNLINKS,
    "SENDING_QUEUE_URL": "https://sqs/farm-sending.fifo",
    "DOWNLINK": '{"concurrency": 2, "hold_seconds": 0, "maximum_age_seconds": 3600, "rate_per_minute": null}',
}
WRONG_ATTRIBUTES: Final = ("x", "5", "-1", "A" * 800, "[]", "@:/#=", "0" * 16, "0" * 32, "1.0.3", "A81758FFFE0312AB")
PUSHES: Final = ("tank-7/downlink/push", "tank-7/downlink/replace")
DELTA: Final = "$aws/things/tank-7/shadow/name/lorawan/update/delta"
NOTED: Final = {
    "deltaDownlink": {
        "state": "sending",
        "at": 1767364790,
        "version": 6,
        "changedAt": 1767364790,
        "values": '{"level": 4}',
        "digest": "0123456789ab",
        "reason": None,
    }
}
SESSION: Final = "AYxyz0ABCDAAAAAAAAAAAA=="


class Queue:
    """A downlink queue that takes everything that can be sent to The Things Stack, under encryption too."""

    def __init__(self) -> None:
        self.pushes = 0

    def schedule(self, _device: object, downlinks: Sequence[Mapping[str, Any]], **_: object) -> None:
        """Push or replace."""
        json.dumps(downlinks, allow_nan=False)
        if all("frm_payload" in each for each in downlinks):
            encryption.encrypted(downlinks, SessionKey(SESSION, "260B1C2D", bytes(16)), 1)
        self.pushes += 1


@pytest.fixture
def queue() -> Queue:
    return Queue()


def raised(call: Callable[[], object], *allowed: type[Exception]) -> str | None:
    """What a call raised, in words; None if it raised nothing that is not allowed."""
    try:
        call()
    except allowed:
        return None
    except Exception as error:
        return f"raised {traceback.format_exception(error)[-2:]}"
    return None


def assert_none(found: Sequence[str]) -> None:
    assert not found, f"{len(found)} faults, such as:\n" + "\n".join(found[:40])


# Downlink requests and desired states --------------------------------------------------------------------------------


def downlink(account: Account, queue: Queue, event: dict[str, Any]) -> Any:
    """The flow of a request or a delta, with the queue in place of The Things Stack."""
    environment = {**PLAIN, **THINGS_STACK, **WAITING, "DELTA_F_PORT": "5"}
    flow: Any = composition.downlink(environment, account)(Invocation()).flow(event)  # type: ignore[arg-type]
    if hasattr(flow, "pauses"):
        return replace(flow, queue=queue, sleep=lambda _: None)
    return replace(flow, queue=queue, maximum_age_seconds=math.inf)


@pytest.mark.parametrize(
    "topic", ["lorawan/downlink", "lorawan/tank-7/downlink/push", "lorawan/tank-7/downlink/replace"]
)
@pytest.mark.parametrize("name", ["one", "several"])
def test_a_request_is_carried_out_or_answered_once(account: Account, queue: Queue, name: str, topic: str) -> None:
    found = []
    request = {"thingName": "tank-7", **events.load(f"downlink_request/{name}")}
    for where, payload in chosen(request, name + topic):
        account.clear()
        before = queue.pushes
        event = events.rule_output(payload, topic)
        fault = raised(lambda event=event: downlink(account, queue, event).handle(event))  # type: ignore[misc]
        answers = [json.loads(answer)["reason"] for _, answer in account.published]
        records = [each["event"] for each in account.log]
        if not fault and (len(answers) + queue.pushes - before != 1 or records != ["downlink_rejected"] * len(answers)):
            fault = f"pushed {queue.pushes - before}, answered {answers}, recorded {records}"
        found += [f"{where}: {fault}"] if fault else []
    assert_none(found)


@pytest.mark.parametrize("name", ["upstream", "downlink_request", "shadow_delta"])
def test_the_output_of_a_rule_may_be_anything(account: Account, queue: Queue, name: str) -> None:
    upstream = composition.upstream(PLAIN, account)  # type: ignore[arg-type]
    found = []
    for where, text in malformed(events.load(f"rule_output/{name}")):
        event = json.loads(text)
        if not isinstance(event, dict):
            continue  # Lambda's own input: AWS IoT sends an object.
        account.clear()
        flow: Any = upstream if name == "upstream" else downlink(account, queue, event)
        fault = raised(lambda flow=flow, event=event: flow.handle(event))  # type: ignore[misc]
        if not fault and max(Counter(each["event"] for each in account.log).values(), default=0) > 1:
            fault = f"recorded {account.log}"
        found += [f"{where}: {fault}"] if fault else []
    assert_none(found)


@pytest.mark.parametrize("name", ["downlink_request", "shadow_delta"])
def test_what_a_rule_could_not_write_is_stored_or_recorded_whatever_it_is(
    account: Account, clients: Clients, name: str
) -> None:
    """The only fault that is raised is that of a message which no rule sends."""
    create_downlinks_table(clients)
    arrivals = composition.downlink_arrivals(
        {**PLAIN, **THINGS_STACK, **WAITING, "DELTA_F_PORT": "5"},
        account,  # type: ignore[arg-type]
    )
    found = []
    for where, text in malformed(events.load(f"rule_output/{name}")):
        account.clear()
        fault = raised(lambda text=text: arrivals.store(text, "row", 1.0), BadInput)  # type: ignore[misc]
        found += [f"{where}: {fault}"] if fault else []
    assert_none(found)


def test_a_delta_is_carried_out_or_recorded_once(account: Account, queue: Queue) -> None:
    account.document = events.load("shadow/document")
    found = []
    for where, payload in malformed(events.load("shadow/delta")):
        account.clear()
        event = events.rule_output(payload, DELTA)
        fault = raised(lambda event=event: downlink(account, queue, event).handle(event))  # type: ignore[misc]
        if not fault and len(account.log) > 1:
            fault = f"recorded {account.log}"
        found += [f"{where}: {fault}"] if fault else []
    assert_none(found)


def test_a_shadow_may_report_and_desire_anything(account: Account, queue: Queue) -> None:
    """Whoever may write the shadow chooses what is in `desired` and `reported`, also in the note of this product."""
    event = events.load("rule_output/shadow_delta")
    right = events.load("shadow/document")
    right["state"]["reported"] |= NOTED
    found = []
    written = [{"desired": right["state"]["desired"]}, {"reported": right["state"]["reported"]}]
    for part in written:
        for where, text in malformed(part):
            state = json.loads(text)
            if not is_shadow_state(state):
                continue
            delta = {"delta": state["desired"]} if "desired" in state else {}
            account.document = {**right, "state": {**right["state"], **state, **delta}}
            account.clear()
            flow = downlink(account, queue, event)
            fault = raised(lambda flow=flow: flow.handle(event))  # type: ignore[misc]
            # While an older change is being sent, this one is delivered again, until the note is a minute old.
            found += [f"{where}: {fault}"] if fault and "another change is being sent" not in fault else []
    assert_none(found)


# Registry events, work items and ticks -------------------------------------------------------------------------------


@pytest.fixture
def registry(account: Account, running: Simulation) -> Callable[[str], None]:
    """The flow `registry`, whose messages fail like those of a batch."""
    account.secrets = {SECRET: running.create_api_key(APPLICATION)}
    environment = {
        **PLAIN,
        **THINGS_STACK,
        "CLUSTER_ADDRESS": running.url,
        "IDENTITY_SERVER_ADDRESS": running.url,
        "DEFAULT_FREQUENCY_PLAN_ID": "EU_863_870_TTN",
        "ON_THING_DELETED": "delete",
        "SCRUB_KEYS": "true",
        "LOOK_UPS_RATE": "1",
        "REGISTRY_QUEUE_URL": "https://sqs/farm-registry",
    }
    return composition.registry(environment, account)(Invocation()).handle  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["thing_created", "thing_updated", "thing_deleted", "work_item_of_a_thing", "work_item_of_a_device"],
)
def test_a_registry_event_is_carried_out_or_recorded_once(
    account: Account, registry: Callable[[str], None], name: str
) -> None:
    found = []
    for where, text in chosen(events.load(f"registry/{name}"), name):
        account.clear()
        fault = raised(lambda text=text: registry(text.decode()))  # type: ignore[misc]
        if not fault and len(account.log) > 1:
            fault = f"recorded {account.log}"
        found += [f"{where}: {fault}"] if fault else []
    for text in ("", "[", "[" * 100_000, "null", "5", "\ud800"):
        found += [f"{text[:9]!r}: {fault}"] if (fault := raised(lambda text=text: registry(text))) else []  # type: ignore[misc]
    assert_none(found)


def test_the_attributes_of_a_thing_may_be_anything(account: Account, registry: Callable[[str], None]) -> None:
    right = events.load("registry/thing_created")["attributes"]
    event = json.dumps(events.load("registry/thing_created"))
    found = []
    for attribute in Attribute:
        for wrong in (
            "x",
            "5",
            "-1",
            "A" * 800,
            "[]",
            "@:/#=",
            "eui-",
            "0" * 16,
            "0" * 32,
            "1.0.3",
            "A81758FFFE0312AB",
        ):
            account.things["tank-7"] = {**right, str(attribute): wrong}
            account.clear()
            fault = raised(lambda: registry(event))
            found += [f"{attribute} = {wrong[:20]}: {fault}"] if fault else []
    assert_none(found)


class NoRegistries:
    """Both registries without anything in them."""

    def devices(self, _page: int) -> DevicePage:
        return DevicePage((), 0)

    def things(self, token: str | None) -> tuple[Sequence[Any], str | None]:
        assert token is None or token
        return (), None

    def backlog(self) -> int:
        return 0

    def send(self, items: Sequence[WorkItem]) -> int:
        return len(items)


SEEN: Final = "64:c${Nk+Q02cKNA275(3Q"
"""What a run remembers of two devices, of which it has seen one (`registry.device_index`)."""


def ticks() -> dict[str, Any]:
    stopped = Run("run-1", SyncMode.APPLY, part=3, token="token", seen="", counts={"Seen": 5})
    return {
        "tick": {**events.load("scheduler/sync_tick"), "mode": "report"},
        "run": json.loads(stopped.message()),
        "run that has seen devices": json.loads(replace(stopped, seen=SEEN).message()),
    }


@pytest.mark.parametrize("name", ticks())
def test_a_tick_is_a_run_or_is_recorded(account: Account, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    queues = {"REGISTRY_QUEUE_URL": "https://sqs/registry", "SYNC_QUEUE_URL": "https://sqs/sync.fifo"}
    choices = {"ON_THING_DELETED": "delete", "SYNC_MODE": "apply", "LIST_THINGS_RATE": "8"}
    environment = {**PLAIN, **THINGS_STACK, **queues, **choices}
    assert is_remembered(SEEN)
    (record,) = events.load("sqs/sync_tick")["Records"]
    found = []
    for where, text in malformed(ticks()[name]):
        flow = composition.sync(environment, account)(Invocation())  # type: ignore[arg-type]
        flow = replace(flow, registries=NoRegistries, now=lambda: 1767364800.0)
        capsys.readouterr()
        tick = _tick({**record, "body": text.decode()})
        fault = raised(lambda flow=flow, tick=tick: flow.handle(tick))  # type: ignore[misc]
        logged = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines() if '"event"' in line]
        outcomes = [each for each in logged if each.startswith("sync") and each != "sync_begins"]
        if not fault and len(outcomes) != 1:
            fault = f"logged {logged}"
        found += [f"{where}: {fault}"] if fault else []
    assert_none(found)


def _tick(record: dict[str, Any]) -> Any:
    from thingbridge.flows.sync import Tick

    return Tick.of_record(record)


# Posts, returned downlinks and deferred writes -----------------------------------------------------------------------


def test_a_post_is_answered(account: Account) -> None:
    right = events.load("function_url/uplink")
    account.secrets = {SECRET: right["headers"]["x-thingbridge-secret"]}
    environment = {"STACK_NAME": "farm", "WEBHOOK_SECRET_ARN": SECRET}
    receiver = composition.webhook(environment, account)  # type: ignore[arg-type]
    assert receiver.handle(right)["statusCode"] == 204
    bodies = chosen(json.loads(right["body"]), "post")
    posts = [(where, {**right, "body": text.decode()}) for where, text in bodies]
    whole = [(where, json.loads(text)) for where, text in malformed(right)]
    found = []
    for where, post in [*posts, *whole]:
        account.clear()
        if isinstance(post, dict):
            fault = raised(lambda post=post: receiver.handle(post)["statusCode"])  # type: ignore[misc]
            found += [f"{where}: {fault}"] if fault else []
            assert len(account.published) <= 1
    assert_none(found)


RETURNING: Final = {
    name: message
    for name, message in messages().items()
    if message.event in ("join", "downlink/nack", "downlink/invalidated")
}


@pytest.fixture
def requeue(account: Account, queue: Queue) -> Any:
    """The flow `requeue` with the queue in place of The Things Stack; it knows the session of the examples.

    Their downlinks were queued before there were seals.
    """
    environment = {**EVERYTHING, **THINGS_STACK}
    flow: Any = composition.requeue(environment, account)(Invocation())  # type: ignore[arg-type]
    envelope = key_envelope.wrapped(bytes(16), bytes.fromhex(KEK), LABEL)
    flow.keys.table.write("A81758FFFE0312AB", SessionSeen(Session(SESSION, "260B1C2D", envelope), 1, 1))
    flow.keys.table.begin_counting("A81758FFFE0312AB", SESSION, LAST_FRAME_COUNTER)
    return replace(flow, queue=queue)


@pytest.mark.parametrize("name", RETURNING)
def test_returned_downlinks_are_queued_again_or_recorded_once(account: Account, requeue: Any, name: str) -> None:
    found = []
    message = RETURNING[name]
    for where, payload in chosen(message.body, name):
        account.clear()
        event = json.dumps(events.rule_output(payload, f"thethings/lorawan/farm/{message.event}"))
        fault = raised(lambda event=event: requeue.handle(event))  # type: ignore[misc]
        if not fault and len(account.log) > 1:
            fault = f"recorded {account.log}"
        found += [f"{where}: {fault}"] if fault else []
    assert_none(found)


def test_the_message_of_a_queue_may_be_anything(account: Account, requeue: Any) -> None:
    (returned,) = events.load("sqs/returned_downlinks")["Records"]
    (deferred,) = events.load("sqs/deferred_shadow_write")["Records"]
    shadow = composition.shadow(EVERYTHING, account)  # type: ignore[arg-type]
    endless = ("", "[" * 100_000, '{"thing":' * 100_000)
    found = []
    for body, handle, allowed in (
        (returned["body"], requeue.handle, ()),
        (deferred["body"], shadow.write_scheduled, (BadInput, Refused)),
    ):
        forms = [(where, text.decode()) for where, text in malformed(json.loads(body))]
        for where, text in [*forms, *((text[:20], text) for text in endless)]:
            fault = raised(lambda handle=handle, text=text: handle(text), *allowed)  # type: ignore[misc]
            found += [f"{where}: {fault}"] if fault else []
    assert_none(found)


def test_a_replaced_field_is_where_its_path_says() -> None:
    body = {"a": [{"b": 1}, {"c": 2}]}
    assert list(paths(body)) == [(), ("a",), ("a", 0), ("a", 0, "b"), ("a", 1), ("a", 1, "c")]
    assert replaced(body, ("a", 1, "c"), 3) == {"a": [{"b": 1}, {"c": 3}]}


@pytest.mark.parametrize(
    "wrong", [{"f_cnt": []}, {"f_cnt": -1}, {"frm_payload": "!"}, {"correlation_ids": 5, "f_cnt": {}}]
)
def test_an_unreadable_downlink_does_not_affect_the_others(
    account: Account, requeue: Any, queue: Queue, wrong: dict[str, Any]
) -> None:
    message = events.load("things_stack/downlink_invalidated")
    (downlink,) = message["downlink_queue_invalidated"]["downlinks"]
    message["downlink_queue_invalidated"]["downlinks"] = [{**downlink, **wrong}, downlink]
    requeue.handle(json.dumps(events.rule_output(message, "thethings/lorawan/farm/downlink/invalidated")))
    assert queue.pushes == 1
    assert [(each["event"], each["count"]) for each in account.log] == [("downlinks_not_queued_again", 1)]


@pytest.mark.parametrize("wrong", [{"app_s_key": {"key": 1}}, {"app_s_key": {}}, {"session_key_id": "A" * 5000}])
def test_a_join_with_an_unreadable_key_returns_its_downlinks_all_the_same(
    requeue: Any, queue: Queue, wrong: dict[str, Any]
) -> None:
    message = events.load("things_stack/join_end_to_end_encrypted")
    (downlink,) = events.load("things_stack/downlink_invalidated")["downlink_queue_invalidated"]["downlinks"]
    message["join_accept"] |= {**wrong, "invalidated_downlinks": [downlink]}
    requeue.handle(json.dumps(events.rule_output(message, "thethings/lorawan/farm/join")))
    assert queue.pushes == 1
