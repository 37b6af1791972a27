"""Messages of The Things Stack: parsed from any bytes, and kept byte for byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import events
from thingbridge.errors import BadInput
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.messaging import topics, upstream
from thingbridge.messaging.upstream import UpstreamMessage

BODY = {
    "end_device_ids": {"device_id": "tank-7", "dev_eui": "a81758fffe0312ab", "join_eui": "A81758FFFE000001"},
    "uplink_message": {"f_cnt": 1},
}


def parse(payload: bytes | dict[str, Any], event: str = "uplink", stack: str = "farm") -> UpstreamMessage:
    return upstream.parse(events.rule_output(payload, f"thethings/lorawan/{stack}/{event}"), "farm")


def test_a_message_has_an_event_and_a_device() -> None:
    message = parse(BODY)
    assert message.event == "uplink"
    assert message.device == EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")


def test_a_device_without_euis_has_only_a_device_id() -> None:
    message = parse({"end_device_ids": {"device_id": "abp-1", "dev_eui": ""}})
    assert message.device == EndDeviceIdentifiers("abp-1", None, None)


def test_a_message_keeps_its_bytes() -> None:
    raw = b'{"end_device_ids" : {"device_id":"tank-7"},\n "uplink_message":{"decoded_payload":{"t":10.0,"n":1e400}}}'
    assert parse(raw).raw == raw


def test_an_unknown_event_is_accepted() -> None:
    assert parse(BODY, "something/new").event == "something/new"


@pytest.mark.parametrize("kind", topics.UPSTREAM_EVENTS)
def test_every_example_of_a_kind_is_parsed(kind: str) -> None:
    bodies = [json.loads(path.read_text()) for path in sorted((events.FOLDER / "things_stack").glob("*.json"))]
    of_this_kind = [body for body in bodies if kind in body]
    assert of_this_kind
    for body in of_this_kind:
        message = parse(body, topics.UPSTREAM_EVENTS[kind])
        assert message.device == EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")
        assert message.body == body


@pytest.mark.parametrize("name", ["downlink/push", "downlink/replace", "downlink/rejected", "", "a/b/c/d/e/f/g"])
def test_an_event_that_would_be_a_request_on_the_public_topics_is_bad_input(name: str) -> None:
    with pytest.raises(BadInput):
        parse(BODY, name)


def test_a_message_of_another_stack_is_bad_input() -> None:
    with pytest.raises(BadInput, match="topic"):
        parse(BODY, stack="other")


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
def test_the_error_for_an_unreadable_message_says_what_is_wrong(payload: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        parse(payload)


@given(st.binary(max_size=2_000))
def test_any_bytes_that_are_not_a_message_are_bad_input(payload: bytes) -> None:
    with pytest.raises(BadInput):
        parse(payload)


def message(raw: bytes) -> UpstreamMessage:
    return UpstreamMessage("uplink", EndDeviceIdentifiers("tank-7", None, None), json.loads(raw), raw)


def test_a_decoded_payload_is_added_and_all_else_stays() -> None:
    raw = b'{ "x": "uplink_message: {", "n": 1.0e3,\n "uplink_message" : {\t"f_port": 2, "y": ["\\u00fc"]} , "z": 1 }'
    decoded = upstream.with_decoded_payload(message(raw), {"level": 1.5})
    before = json.loads(raw)
    assert json.loads(decoded.raw) == {
        **before,
        "uplink_message": {**before["uplink_message"], "decoded_payload": {"level": 1.5}},
    }
    assert decoded.body == json.loads(decoded.raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(max_size=5), JSON),
    st.dictionaries(st.text(max_size=5), JSON),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
    st.sampled_from([None, 2]),
)
def test_a_decoded_payload_is_added_to_a_message_of_any_form(
    body: dict[str, Any], uplink: dict[str, Any], ascii_only: bool, encoding: str, indent: int | None
) -> None:
    uplink.pop("decoded_payload", None)
    text = json.dumps({**body, "uplink_message": {"f_port": 2, **uplink}}, ensure_ascii=ascii_only, indent=indent)
    sent = message(text.encode(encoding))
    decoded = upstream.with_decoded_payload(sent, {"ü": [1]})
    assert json.loads(decoded.raw) == decoded.body
    assert decoded.body["uplink_message"].pop("decoded_payload") == {"ü": [1]}
    assert decoded.body == sent.body


def test_a_message_does_not_become_longer_than_aws_iot_publishes() -> None:
    raw = json.dumps({"pad": "x" * 131_000, "uplink_message": {"f_port": 2}}).encode()
    with pytest.raises(BadInput):
        upstream.with_decoded_payload(message(raw), {"level": "y" * 100})
