"""Messages of The Things Stack: read from whatever bytes came, delivered byte for byte."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.errors import BadInput
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.messaging import upstream
from thingbridge.settings import ShadowSettings

BODY = {
    "end_device_ids": {"device_id": "tank-7", "dev_eui": "a81758fffe0312ab", "join_eui": "A81758FFFE000001"},
    "uplink_message": {"f_cnt": 1},
}


def event(payload: bytes, topic: str = "thethings/lorawan/farm/uplink") -> dict[str, Any]:
    return {"topic": topic, "payload": base64.b64encode(payload).decode()}


def test_a_message_tells_its_event_and_its_device() -> None:
    message = upstream.parse(event(json.dumps(BODY).encode()), "farm")
    assert message.event == "uplink"
    assert message.device == EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")


def test_a_device_without_euis_is_its_device_id() -> None:
    message = upstream.parse(event(b'{"end_device_ids": {"device_id": "abp-1", "dev_eui": ""}}'), "farm")
    assert message.device == EndDeviceIdentifiers("abp-1", None, None)


def test_the_public_message_is_the_one_that_came_byte_for_byte() -> None:
    raw = b'{"end_device_ids" : {"device_id":"tank-7"},\n "uplink_message":{"decoded_payload":{"t":10.0,"n":1e400}}}'
    delivery = upstream.deliver(upstream.parse(event(raw), "farm"), "my:thing", ShadowSettings())
    assert (delivery.topic, delivery.payload) == ("lorawan/my:thing/uplink", raw)


def test_an_unknown_event_passes_through() -> None:
    raw = json.dumps(BODY).encode()
    message = upstream.parse(event(raw, "thethings/lorawan/farm/something/new"), "farm")
    assert upstream.deliver(message, "tank", ShadowSettings()).topic == "lorawan/tank/something/new"


def test_without_metrics_the_shadow_is_left_alone() -> None:
    message = upstream.parse(event(json.dumps(BODY).encode()), "farm")
    assert upstream.deliver(message, "tank", ShadowSettings(metrics=False)).shadow_state == {}


@pytest.mark.parametrize("name", ["downlink/push", "downlink/replace", "downlink/rejected", "", "a/b/c/d/e/f/g"])
def test_an_event_that_would_mean_something_else_in_public_does_not_pass(name: str) -> None:
    with pytest.raises(BadInput):
        upstream.parse(event(json.dumps(BODY).encode(), f"thethings/lorawan/farm/{name}"), "farm")


def test_a_message_of_another_stack_does_not_pass() -> None:
    with pytest.raises(BadInput, match="topic"):
        upstream.parse(event(json.dumps(BODY).encode(), "thethings/lorawan/other/uplink"), "farm")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not an object"),
        (b"{}", "end_device_ids"),
        (b'{"end_device_ids": []}', "end_device_ids"),
        (b'{"end_device_ids": {}}', "end_device_ids.device_id"),
        (b'{"end_device_ids": {"device_id": "a/b+#"}}', "end_device_ids.device_id"),
        (b'{"end_device_ids": {"device_id": "abc", "dev_eui": "xyz"}}', "end_device_ids.dev_eui"),
        (b'{"end_device_ids": {"device_id": "abc", "dev_eui": 7}}', "end_device_ids.dev_eui"),
    ],
)
def test_garbage_is_refused_with_what_is_wrong(payload: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        upstream.parse(event(payload), "farm")


@given(st.binary(max_size=2_000))
def test_no_bytes_raise_anything_but_bad_input(payload: bytes) -> None:
    with pytest.raises(BadInput):
        upstream.parse(event(payload), "farm")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.dictionaries(st.sampled_from(["uplink_message", "join_accept", "location_solved", "received_at"]), JSON),
    st.dictionaries(st.sampled_from(["rx_metadata", "f_cnt", "received_at", "session_key_id"]), JSON),
)
def test_whatever_else_a_message_holds_it_is_delivered(body: dict[str, Any], part: dict[str, Any]) -> None:
    for parts in (body, {"uplink_message": part}, {"join_accept": part}):
        raw = json.dumps({"end_device_ids": {"device_id": "tank-7"}, **parts}).encode()
        delivery = upstream.deliver(upstream.parse(event(raw), "farm"), "tank", ShadowSettings())
        assert delivery.payload == raw
        json.dumps(delivery.shadow_state, allow_nan=False)
