"""Flow `upstream` on an account in process: what it calls, and what it does with what goes wrong."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from handlers import composition
from tests import cases, events
from tests.unit.conftest import refusal
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import Shadows
from thingbridge.errors import Busy, Misconfigured
from thingbridge.flows.codecs import CodecFailed
from thingbridge.flows.upstream import Upstream
from thingbridge.shadow.state import ShadowSettings

GROUP = "/thethings/lorawan/farm/things"
ENVIRONMENT = {
    "STACK_NAME": "farm",
    "THINGS_LOG_GROUP": GROUP,
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "DIRECTORY_TABLE": "farm-directory",
    "SHADOW": '{"metrics": true}',
}
BODY = {
    "end_device_ids": {"device_id": "tank-7", "dev_eui": "A81758FFFE0312AB"},
    "received_at": "2025-01-02T03:04:05Z",
    "uplink_message": {"f_cnt": 17, "rx_metadata": [{"gateway_ids": {"gateway_id": "a"}, "rssi": -71, "snr": 8.5}]},
}


def in_time(body: dict[str, Any]) -> dict[str, Any]:
    """The message as if the network had received it just now."""
    return {**body, "received_at": events.just_now()}


@pytest.fixture
def flow(iot: Any, clients: Clients) -> Upstream:
    clients("logs").create_log_group(logGroupName=GROUP)
    return composition.upstream(ENVIRONMENT, clients)


def published() -> list[Any]:
    return list(iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads)


def log(stream: str) -> list[dict[str, Any]]:
    events = boto3.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    return [json.loads(event["message"]) for event in events]


def create(iot: Any, name: str, **attributes: str) -> None:
    iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": attributes})


def things(iot: Any) -> list[str]:
    return [each["thingName"] for each in iot.list_things()["things"]]


def test_an_uplink_creates_the_thing_publishes_and_writes_the_shadow(flow: Upstream) -> None:
    raw = json.dumps(BODY).encode()
    flow.handle(events.rule_output(raw))
    assert published() == [("lorawan/A81758FFFE0312AB/uplink", raw)]
    shadow = boto3.client("iot-data").get_thing_shadow(thingName="A81758FFFE0312AB", shadowName="lorawan")
    assert json.loads(shadow["payload"].read())["state"]["reported"]["rssi"] == -71


def test_a_warm_uplink_costs_one_publish_and_one_shadow_write(
    flow: Upstream, calls: Callable[[], dict[str, int]]
) -> None:
    flow.handle(events.rule_output(in_time(BODY)))
    calls()
    flow.handle(events.rule_output(in_time(BODY)))
    assert calls() == {"Publish": 1, "UpdateThingShadow": 1}


def test_a_late_uplink_reads_the_shadow_first_whichever_execution_environment_meets_it(
    flow: Upstream, clients: Clients, calls: Callable[[], dict[str, int]]
) -> None:
    flow.handle(events.rule_output(in_time(BODY)))
    other = composition.upstream(ENVIRONMENT, clients)
    late = {**BODY, "uplink_message": {"f_cnt": 16}}
    other.handle(events.rule_output(late))
    calls()
    other.handle(events.rule_output(late))
    assert calls() == {"Publish": 1, "GetThingShadow": 1}
    assert Shadows(clients, "lorawan").reported("A81758FFFE0312AB")["fCntUp"] == 17


def test_a_shadow_that_aws_refuses_is_recorded_on_the_thing_and_the_message_delivered(
    flow: Upstream, answer_with: Any
) -> None:
    answer_with("iot-data", "UpdateThingShadow", 413, "RequestEntityTooLargeException")
    flow.handle(events.rule_output(BODY))
    (entry,) = log("A81758FFFE0312AB")
    assert (entry["event"], entry["level"]) == ("shadow_not_written", "ERROR")
    assert len(published()) == 1


def test_a_downlink_that_no_formatter_encoded_is_published_and_recorded(flow: Upstream, iot: Any) -> None:
    create(iot, "tank-7", devEUI="A81758FFFE0312AB", stackName="farm")
    head = {"end_device_ids": BODY["end_device_ids"], "correlation_ids": ["as:downlink:1", "order:4711"]}
    encoded = {"f_port": 1, "decoded_payload": {"valve": 1}, "frm_payload": "AQ=="}
    not_encoded = {"f_port": 1, "decoded_payload": {"valve": 1}}
    for queued in (encoded, not_encoded):
        flow.handle(events.rule_output({**head, "downlink_queued": queued}, "thethings/lorawan/farm/downlink/queued"))
    assert [topic for topic, _ in published()] == ["lorawan/tank-7/downlink/queued"] * 2
    (entry,) = log("tank-7")
    assert (entry["event"], entry["level"]) == ("downlink_without_payload", "WARN")
    assert entry["correlation_ids"] == ["as:downlink:1", "order:4711"]


def test_an_older_message_that_comes_late_does_not_set_the_shadow_back(flow: Upstream) -> None:
    older = {**BODY, "received_at": "2025-01-02T03:04:04.9Z", "uplink_message": {"f_cnt": 16}}
    flow.handle(events.rule_output(BODY))
    flow.handle(events.rule_output(older))
    shadow = boto3.client("iot-data").get_thing_shadow(thingName="A81758FFFE0312AB", shadowName="lorawan")
    assert json.loads(shadow["payload"].read())["state"]["reported"]["fCntUp"] == 17
    assert len(published()) == 2


def test_a_decoders_output_that_makes_the_shadow_too_large_leaves_the_metrics(flow: Upstream, clients: Clients) -> None:
    flow = composition.upstream({**ENVIRONMENT, "SHADOW": '{"decoded_payload": true}'}, clients)
    refused = []

    def refuse_decoded(params: dict[str, Any], **_: Any) -> Any:
        if b"decodedPayload" in params["body"]:
            refused.append(params)
            return refusal(413, "RequestEntityTooLargeException")
        return None

    clients("iot-data").meta.events.register("before-call.iot-data-plane.UpdateThingShadow", refuse_decoded)
    uplink = {**BODY["uplink_message"], "decoded_payload": {"level": 1}}  # type: ignore[dict-item]
    flow.handle(events.rule_output({**BODY, "uplink_message": uplink}))
    shadow = boto3.client("iot-data").get_thing_shadow(thingName="A81758FFFE0312AB", shadowName="lorawan")
    reported = json.loads(shadow["payload"].read())["state"]["reported"]
    assert reported["rssi"] == -71
    assert "decodedPayload" not in reported
    assert len(refused) == 1
    assert [each["event"] for each in log("A81758FFFE0312AB")] == ["shadow_not_written"]


def test_a_downlink_event_writes_no_shadow(flow: Upstream, iot: Any, calls: Callable[[], dict[str, int]]) -> None:
    create(iot, "A81758FFFE0312AB", devEUI="A81758FFFE0312AB", stackName="farm")
    acknowledged = events.load("things_stack/downlink_ack")
    flow.handle(events.rule_output(acknowledged, "thethings/lorawan/farm/downlink/ack"))
    assert [topic for topic, _ in published()] == ["lorawan/A81758FFFE0312AB/downlink/ack"]
    assert "UpdateThingShadow" not in calls()


def test_an_unreadable_message_is_recorded_without_its_payload_and_not_raised(flow: Upstream) -> None:
    flow.handle(events.rule_output(b"secret payload, not JSON"))
    (entry,) = log("unidentified")
    assert (entry["event"], entry["reason"]) == ("message_dropped", "payload: is not JSON")
    assert "secret" not in json.dumps(entry)
    assert published() == []


def test_another_stacks_device_is_recorded_on_its_thing_and_not_published(flow: Upstream, iot: Any) -> None:
    attributes = {"devEUI": "A81758FFFE0312AB", "stackName": "other"}
    iot.create_thing(thingName="barn", thingTypeName="lorawan", attributePayload={"attributes": attributes})
    flow.handle(events.rule_output(BODY))
    (entry,) = log("barn")
    assert entry["reason"] == "DevEUI A81758FFFE0312AB is registered for mismatching stack"
    assert published() == []


def test_a_busy_broker_is_raised_so_that_the_message_is_retried(flow: Upstream, answer_with: Any) -> None:
    answer_with("iot-data", "Publish", 429, "ThrottlingException")
    with pytest.raises(Busy):
        flow.handle(events.rule_output(BODY))


def test_an_unknown_event_is_published(flow: Upstream, iot: Any) -> None:
    create(iot, "A81758FFFE0312AB", devEUI="A81758FFFE0312AB", stackName="farm")
    flow.handle(events.rule_output(BODY, "thethings/lorawan/farm/something/new"))
    assert [topic for topic, _ in published()] == ["lorawan/A81758FFFE0312AB/something/new"]


SIMULATED = cases.load("5-simulated-uplink-from-console")
GAINS_DEV_EUI = cases.load("5-abp-device-gains-deveui-later")
NO_STACK_NAME = cases.load("5-uplink-of-thing-without-stackname")


@pytest.mark.parametrize("message", SIMULATED["messages"].values(), ids=SIMULATED["messages"].keys())
def test_a_simulated_uplink_reaches_the_devices_thing_and_does_not_count_as_radio_contact(
    flow: Upstream, iot: Any, calls: Callable[[], dict[str, int]], message: dict[str, Any]
) -> None:
    create(iot, SIMULATED["thing"]["name"], **SIMULATED["thing"]["attributes"])
    raw = json.dumps(message).encode()
    flow.handle(events.rule_output(raw, SIMULATED["topic"]))
    assert published() == [(SIMULATED["expected"]["topic"], raw)]
    assert "UpdateThingShadow" not in calls()
    assert things(iot) == SIMULATED["expected"]["things"]
    assert [entry["event"] for entry in log(SIMULATED["thing"]["name"])] == ["uplink_simulated"]


def test_a_device_that_gains_a_dev_eui_keeps_its_thing(flow: Upstream, iot: Any) -> None:
    expected = GAINS_DEV_EUI["expected"]
    for message in GAINS_DEV_EUI["messages"]:
        flow.handle(events.rule_output(message))
    assert [topic for topic, _ in published()] == expected["topics"]
    (name,) = things(iot)
    assert [name] == expected["things"]
    assert iot.describe_thing(thingName=name)["attributes"] == expected["attributes"]
    assert [entry["event"] for entry in log(name)] == [expected["recorded"]]


def test_the_uplink_of_a_thing_without_a_stack_name_is_recorded_on_that_thing(flow: Upstream, iot: Any) -> None:
    expected = NO_STACK_NAME["expected"]
    create(iot, NO_STACK_NAME["thing"]["name"], **NO_STACK_NAME["thing"]["attributes"])
    flow.handle(events.rule_output(NO_STACK_NAME["message"]))
    assert published() == []
    assert things(iot) == expected["things"]
    (entry,) = log(expected["stream"])
    assert (entry["event"], entry["reason"]) == ("message_dropped", expected["reason"])


@pytest.mark.parametrize(
    ("body", "event", "kind"),
    [
        (events.load("things_stack/downlink_failed"), "downlink/failed", "a message of the kind downlink/failed"),
        (events.load("things_stack/downlink_ack"), "downlink/ack", "a message of the kind downlink/ack"),
        (BODY, "something/new", "a message of the kind something/new"),
        (SIMULATED["messages"]["without EUIs"], "uplink", "a simulated uplink"),
        (SIMULATED["messages"]["with EUIs and a gateway"], "uplink", "a simulated uplink"),
    ],
    ids=["failed", "ack", "new kind", "simulated", "simulated with EUIs"],
)
def test_only_a_join_or_an_uplink_creates_a_thing_and_other_messages_are_recorded_once(
    flow: Upstream, iot: Any, body: dict[str, Any], event: str, kind: str
) -> None:
    flow.handle(events.rule_output(body, f"thethings/lorawan/farm/{event}"))
    assert things(iot) == []
    assert published() == []
    (entry,) = log("unidentified")
    assert (entry["event"], entry["level"]) == ("message_dropped", "WARN")
    assert f"has no thing: {kind} makes none" in entry["reason"]


def test_a_failed_downlink_does_not_bring_a_deleted_thing_back(flow: Upstream, iot: Any, clients: Clients) -> None:
    flow.handle(events.rule_output(BODY))
    iot.delete_thing(thingName="A81758FFFE0312AB")
    failed = events.rule_output(events.load("things_stack/downlink_failed"), "thethings/lorawan/farm/downlink/failed")
    composition.upstream(ENVIRONMENT, clients).handle(failed)
    assert things(iot) == []


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("iot", "DescribeThing", "ExpiredTokenException"),
        ("iot", "ListThings", "AnythingNew"),
        ("iot", "CreateThing", "InvalidRequestException"),
        ("iot", "CreateThing", "ResourceNotFoundException"),
        ("iot-data", "Publish", "AnythingNew"),
        ("iot-data", "UpdateThingShadow", "ResourceNotFoundException"),
    ],
)
def test_what_is_not_a_refusal_keeps_the_message(
    flow: Upstream, answer_with: Any, service: str, operation: str, code: str
) -> None:
    answer_with(service, operation, 400, code)
    with pytest.raises((Busy, Misconfigured)):
        flow.handle(events.rule_output(BODY))


class Recorder:
    """Every collaborator of the flow, in memory: one thing, and a list of what was done with it."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.states: list[Mapping[str, Any]] = []
        self.records: list[str] = []
        self.reasons: list[str] = []
        self.output: dict[str, Any] | None = None
        self.failure: CodecFailed | None = None

    def find_or_create(self, _device: object) -> str:
        return "my:tank"

    def find_known(self, _device: object) -> str:
        return "my:tank"

    @contextmanager
    def publishing(self, topic: str, payload: bytes) -> Iterator[None]:
        yield
        self.published.append((topic, payload))

    def write(self, _thing_name: str, state: Mapping[str, Any], _received_at: str | None) -> None:
        self.states.append(state)

    def decode(self, _uplink: Mapping[str, Any]) -> dict[str, Any] | None:
        if self.failure:
            raise self.failure
        return self.output

    def record(self, _thing_name: str | None, _level: str, event: str, **fields: object) -> None:
        self.records.append(event)
        self.reasons.append(str(fields.get("reason")))

    def flow(self, settings: ShadowSettings, *, decryption: Any = None) -> Upstream:
        every: Any = self
        return Upstream("farm", settings, every, every, every, every, decryption, every)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.dictionaries(st.sampled_from(["uplink_message", "join_accept", "location_solved", "received_at"]), JSON),
    st.dictionaries(st.sampled_from(["rx_metadata", "f_cnt", "f_port", "received_at", "session_key_id"]), JSON),
)
def test_a_message_of_a_device_is_published_byte_for_byte_whatever_else_it_contains(
    body: dict[str, Any], part: dict[str, Any]
) -> None:
    for parts in (body, {"uplink_message": part}, {"join_accept": part}):
        raw = json.dumps({"end_device_ids": {"device_id": "tank-7"}, **parts}).encode()
        recorder = Recorder()
        recorder.flow(ShadowSettings(decoded_payload=True)).handle(events.rule_output(raw))
        assert recorder.published == [("lorawan/my:tank/uplink", raw)]
        json.dumps(recorder.states, allow_nan=False)


def test_without_metrics_the_shadow_is_not_written() -> None:
    recorder = Recorder()
    recorder.flow(ShadowSettings(metrics=False)).handle(events.load("rule_output/upstream"))
    assert len(recorder.published) == 1
    assert recorder.states == []


def test_the_output_of_a_codec_is_published_and_reported() -> None:
    recorder = Recorder()
    recorder.output = {"level": 5}
    recorder.flow(ShadowSettings(metrics=False, decoded_payload=True)).handle(events.load("rule_output/upstream"))
    ((_, payload),) = recorder.published
    assert json.loads(payload)["uplink_message"]["decoded_payload"] == {"level": 5}
    assert recorder.states == [{"decodedPayload": {"level": 5}}]


def test_an_uplink_whose_codec_fails_is_recorded_and_published_unchanged() -> None:
    recorder = Recorder()
    recorder.failure = CodecFailed("acme", "took longer than 1 s")
    recorder.flow(ShadowSettings()).handle(events.rule_output(events.load("things_stack/uplink")))
    assert recorder.records == ["codec_failed"]
    assert recorder.published == [("lorawan/my:tank/uplink", json.dumps(events.load("things_stack/uplink")).encode())]


def test_the_members_beside_a_decoders_state_are_named_once() -> None:
    case = cases.load("5-decoder-output-named-state")
    recorder = Recorder()
    flow = recorder.flow(ShadowSettings(metrics=False, decoded_payload=True))
    for _ in range(3):
        body = {"end_device_ids": {"device_id": "tank-7"}, **case["input"]}
        flow.handle(events.rule_output(body))
    assert recorder.states == [case["expected"]["reported"]] * 3
    assert recorder.records == case["expected"]["log"]
    assert all(repr(name) in recorder.reasons[0] for name in case["expected"]["named"])


def test_a_decoded_payload_that_a_shadow_can_not_hold_is_recorded() -> None:
    recorder = Recorder()
    recorder.output = {"list": [1, None]}
    recorder.flow(ShadowSettings(metrics=False, decoded_payload=True)).handle(events.load("rule_output/upstream"))
    assert recorder.records == ["decoded_payload_left_out"]
    assert recorder.states == []


def test_a_simulated_uplink_is_decoded_but_not_reported() -> None:
    recorder = Recorder()
    recorder.output = {"level": 5}
    flow = recorder.flow(ShadowSettings(decoded_payload=True))
    flow.handle(events.rule_output(SIMULATED["messages"]["without EUIs"]))
    ((topic, payload),) = recorder.published
    assert topic == "lorawan/my:tank/uplink"
    assert json.loads(payload)["uplink_message"]["decoded_payload"] == {"level": 5}
    assert recorder.states == []
    assert recorder.records == ["uplink_simulated"]
