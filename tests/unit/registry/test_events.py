"""Registry events of AWS IoT: how they are read, and which of them concern the stack."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.errors import BadInput
from thingbridge.registry import events

EVENT = {
    "eventType": "THING_EVENT",
    "eventId": "f5ae9b94-8b8e-4d8e-8c8f-b3266dd89853",
    "timestamp": 1234567890123,
    "operation": "DELETED",
    "accountId": "123456789012",
    "thingId": "b604f69c-aa9a-4d4a-829e-c480e958a0b5",
    "thingName": "barn",
    "versionNumber": 1,
    "thingTypeName": "lorawan",
    "attributes": {"devEUI": "A81758FFFE0312AB", "stackName": "farm", "deviceID": "tank-7"},
}


def test_an_event_has_an_operation_a_thing_and_its_attributes() -> None:
    event = events.parse(json.dumps(EVENT))
    assert (event.operation, event.thing_name, event.attributes) == ("DELETED", "barn", EVENT["attributes"])


def test_what_the_rule_selects_is_read_as_the_event_itself() -> None:
    selected = events.selected({**EVENT, "attributes": {**EVENT["attributes"], "appKey": "01" * 16}})  # type: ignore[dict-item]
    assert selected == {"operation": "DELETED", "thingName": "barn", **EVENT["attributes"]}  # type: ignore[dict-item]
    assert events.parse(json.dumps(selected)) == events.parse(json.dumps(EVENT))


@pytest.mark.parametrize("published", [b"\xff", b"[]", b"{}", b'{"operation": 1}'])
def test_bytes_that_are_not_an_event_become_an_empty_message(published: bytes) -> None:
    assert events.rule_output("$aws/events/thing/barn/created", published) == ""


def test_an_event_without_attributes_is_read() -> None:
    assert events.parse(json.dumps({**EVENT, "attributes": None})).attributes == {}


@given(st.text() | st.sampled_from(["{}", "[]", '"x"', '{"operation": "MOVED", "thingName": "x"}', "null"]))
def test_any_other_text_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        events.parse(text)


@pytest.mark.parametrize(("stack_name", "belongs"), [("farm", True), ("Farm", False), ("orchard", False)])
def test_a_thing_belongs_to_the_stack_that_it_names(stack_name: str, belongs: bool) -> None:
    assert events.belongs_to(EVENT["attributes"], stack_name) is belongs  # type: ignore[arg-type]
    assert not events.belongs_to({}, stack_name)
