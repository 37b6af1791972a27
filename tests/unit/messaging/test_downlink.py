"""Downlink requests: read, checked field by field, and answered when they are invalid."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import cases, events
from thingbridge.errors import BadInput
from thingbridge.messaging import downlink
from thingbridge.messaging.downlink import ReceivedRequest

PUSH = "lorawan/tank-7/downlink/push"
REPLACE = "lorawan/tank-7/downlink/replace"


def receive(body: object, topic: str = "lorawan/downlink") -> downlink.ReceivedRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return downlink.receive(events.rule_output(raw, topic))


def downlinks(body: object, topic: str = PUSH) -> tuple[Any, ...]:
    return downlink.parse(receive(body, topic))


def test_the_documented_request_has_the_documented_defaults() -> None:
    request = receive({"thingName": "tank-7", "bytes": "Kgc="})
    assert (request.thing_name, request.replace) == ("tank-7", False)
    expected = {"f_port": 1, "frm_payload": "Kgc=", "confirmed": False, "priority": "NORMAL"}
    assert downlink.parse(request) == (expected,)


def test_every_field_reaches_the_things_stack() -> None:
    several = events.load("downlink_request/several")["downlinks"]
    (read,) = downlinks({**several[1], "confirmed": True, "correlationIDs": ["my:1"]})
    assert read == {
        "f_port": 15,
        "decoded_payload": {"valve": "open"},
        "confirmed": True,
        "priority": "HIGHEST",
        "class_b_c": {
            "gateways": [{"gateway_ids": {"gateway_id": "roof"}}],
            "absolute_time": "2026-01-31T12:00:00Z",
        },
        "correlation_ids": ["my:1"],
    }


def test_high_priority_means_high_and_a_named_priority_takes_precedence() -> None:
    assert downlinks({"bytes": "", "highPriority": True})[0]["priority"] == "HIGH"
    assert downlinks({"bytes": "", "highPriority": True, "priority": "LOW"})[0]["priority"] == "LOW"


def test_one_message_may_hold_several_downlinks() -> None:
    read = downlinks(events.load("downlink_request/several"))
    assert [(each["f_port"], each["priority"]) for each in read] == [(2, "NORMAL"), (15, "HIGHEST")]


def test_an_empty_replace_clears_the_queue_but_an_empty_push_is_bad_input() -> None:
    assert downlinks({"downlinks": []}, REPLACE) == ()
    with pytest.raises(BadInput):
        downlinks({"downlinks": []}, PUSH)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("fPort", {"bytes": "", "fPort": 0}),
        ("fPort", {"bytes": "", "fPort": 224}),
        ("fPort", {"bytes": "", "fPort": 256}),
        ("fPort", {"bytes": "", "fPort": True}),
        ("fPort", {"bytes": "", "fPort": "15"}),
        ("bytes", {}),
        ("bytes", {"bytes": "AQ==", "payload": {}}),
        ("bytes", {"bytes": "not base64!"}),
        ("bytes", {"bytes": "é"}),
        ("bytes", {"bytes": 7}),
        ("bytes", {"bytes": base64.b64encode(bytes(256)).decode()}),
        ("payload", {"payload": "open"}),
        ("confirmed", {"bytes": "", "confirmed": "yes"}),
        ("highPriority", {"bytes": "", "highPriority": 1}),
        ("priority", {"bytes": "", "priority": "URGENT"}),
        ("priority", {"bytes": "", "priority": ["LOW"]}),
        ("classBC", {"bytes": "", "classBC": {}}),
        ("classBC", {"bytes": "", "classBC": {"gateway": "roof"}}),
        ("classBC.gateways", {"bytes": "", "classBC": {"gateways": "roof"}}),
        ("classBC.absoluteTime", {"bytes": "", "classBC": {"absoluteTime": "tomorrow"}}),
        ("classBC.absoluteTime", {"bytes": "", "classBC": {"absoluteTime": "2026-01-31T12:00:00"}}),
        ("correlationIDs", {"bytes": "", "correlationIDs": ["x" * 101]}),
        ("correlationIDs", {"bytes": "", "correlationIDs": "x"}),
        ("downlinks", {"downlinks": {}}),
        ("downlinks[1]", {"downlinks": [{"bytes": ""}, 7]}),
        ("downlinks[1].fPort", {"downlinks": [{"bytes": ""}, {"bytes": "", "fPort": -1}]}),
    ],
)
def test_the_error_for_a_bad_request_names_its_field(field: str, body: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        downlinks(body)
    assert caught.value.field == field


GATEWAYS = cases.load("6-gateway-with-antenna-and-group")


def test_a_gateway_can_have_an_antenna_and_a_group() -> None:
    (sent,) = downlinks(GATEWAYS["request"])
    assert sent["class_b_c"]["gateways"] == GATEWAYS["expected"]["gateways"]


@pytest.mark.parametrize("gateway", GATEWAYS["wrong"])
def test_a_gateway_that_can_not_be_read_is_rejected_here(gateway: str) -> None:
    with pytest.raises(BadInput, match="antenna and group") as caught:
        downlinks({"bytes": "", "classBC": {"gateways": ["gtw1", gateway]}})
    assert caught.value.field == GATEWAYS["expected"]["field"]


@pytest.mark.parametrize("name", [None, "", "a/b", "a+", "#", "x" * 129, 7])
def test_a_request_must_name_a_possible_thing(name: object) -> None:
    request = receive({"thingName": name, "bytes": ""})
    assert request.thing_name is None
    with pytest.raises(BadInput, match="thingName"):
        downlink.parse(request)


def test_an_unreadable_request_on_a_things_topic_belongs_to_that_thing() -> None:
    request = receive(b"\xff", PUSH)
    assert (request.thing_name, request.body) == ("tank-7", None)
    with pytest.raises(BadInput, match="not JSON"):
        downlink.parse(request)


def test_a_rejection_goes_to_the_thing_and_repeats_the_request() -> None:
    request = receive({"bytes": "!", "correlationIDs": ["my:1"]}, PUSH)
    topic, answer = downlink.rejection(request, "farm", "bytes", "must be base64")
    assert topic == "lorawan/tank-7/downlink/rejected"
    assert json.loads(answer) == {
        "stackName": "farm",
        "field": "bytes",
        "reason": "must be base64",
        "correlationID": request.mark,
        "request": {"bytes": "!", "correlationIDs": ["my:1"]},
    }


def test_a_rejection_without_a_thing_goes_to_the_account_wide_topic() -> None:
    topic, answer = downlink.rejection(receive(b"?"), "farm", "payload", "is not JSON")
    assert topic == "lorawan/downlink/rejected"
    assert json.loads(answer)["request"] is None


def test_a_rejection_is_never_larger_than_the_broker_publishes() -> None:
    request = receive({"thingName": "tank-7", "noise": "x" * (128 * 1024 - 40)})
    _, answer = downlink.rejection(request, "farm", "bytes", "missing")
    assert len(answer) <= 128 * 1024


@given(st.binary(max_size=500), st.sampled_from(["lorawan/downlink", PUSH, REPLACE, "elsewhere"]))
def test_any_bytes_that_are_not_a_request_are_bad_input(raw: bytes, topic: str) -> None:
    request = receive(raw, topic)
    with pytest.raises(BadInput):
        downlink.parse(request)


@pytest.mark.parametrize(
    "body",
    [b'{"payload": {"a": NaN}}', b'{"bytes": "", "x": 1e999}', b'{"a": ' * 60 + b"1" + b"}" * 60, b'{"a":' * 100_000],
)
def test_a_request_that_can_not_be_written_as_json_again_is_not_read(body: bytes) -> None:
    request = receive(body, PUSH)
    assert request.body is None
    with pytest.raises(BadInput):
        downlink.parse(request)
    json.loads(downlink.rejection(request, "farm", "payload", "as arranged")[1])


def test_the_rule_output_of_the_example_is_a_request() -> None:
    request = downlink.receive(events.load("rule_output/downlink_request"))
    assert request.thing_name == "tank-7"
    (read,) = downlink.parse(request)
    assert (read["f_port"], read["frm_payload"], read["confirmed"]) == (15, "Kgc=", True)


def test_one_request_holds_a_limited_number_of_downlinks() -> None:
    def several(count: int) -> ReceivedRequest:
        body = {"downlinks": [{"bytes": "AQ=="}] * count}
        return downlink.receive(events.rule_output(body, "lorawan/tank-7/downlink/push"))

    assert len(downlink.parse(several(downlink.MAX_DOWNLINKS))) == downlink.MAX_DOWNLINKS
    with pytest.raises(BadInput, match="has 101 downlinks, the limit is 100") as caught:
        downlink.parse(several(downlink.MAX_DOWNLINKS + 1))
    assert caught.value.field == "downlinks"


def test_a_mark_replaces_an_older_one_and_leaves_other_correlation_ids() -> None:
    marked = downlink.marked({"correlation_ids": ["order:1", "thingbridge:old"]}, "thingbridge:new")
    assert marked["correlation_ids"] == ["order:1", "thingbridge:new"]
    assert downlink.marks([marked, {}]) == {"thingbridge:new"}


def test_a_returned_downlink_is_marked_by_its_session_and_counter() -> None:
    first, same, other = ({"session_key_id": "YQ==", "f_cnt": f_cnt, "f_port": 1} for f_cnt in (1, 1, 2))
    assert downlink.mark_of_returned(first) == downlink.mark_of_returned(same) != downlink.mark_of_returned(other)
