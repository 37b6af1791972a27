"""Shadow deltas: which of them call for a downlink, what is sent, and what is noted in the shadow."""

import json
from typing import Any

import pytest

from tests import events
from thingbridge.errors import BadInput
from thingbridge.shadow import delta as deltas
from thingbridge.shadow.delta import Change, Delta, Next, Note

TOPIC = "$aws/things/tank/shadow/name/lorawan/update/delta"
NOW = 1_000_000


def message(changed_at: int, sent_at: int = NOW, version: int = 7) -> dict[str, Any]:
    stamp = {"level": {"timestamp": changed_at}, "list": [{"timestamp": changed_at - 5}]}
    return {
        "version": version,
        "timestamp": sent_at,
        "state": {"decodedPayload": {"level": 5, "list": [1]}},
        "metadata": {"decodedPayload": stamp},
    }


def document(
    values: Any, note: dict[str, Any] | None = None, changed_at: int = NOW, also: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A shadow in which these desired values differ, and `also`, set at the same time, do not."""
    reported = {"deltaDownlink": note[deltas.NOTE]} if note else {}
    desired = {**values, **(also or {})} if isinstance(values, dict) else values
    metadata = {name: {"timestamp": changed_at} for name in desired} if isinstance(desired, dict) else {}
    metadata["untouched"] = {"timestamp": changed_at + 500}
    return {
        "version": 8,
        "state": {"desired": {"decodedPayload": desired}, "reported": reported, "delta": {"decodedPayload": values}},
        "metadata": {"desired": {"decodedPayload": metadata}},
    }


def change(
    values: Any, note: dict[str, Any] | None = None, changed_at: int = NOW, also: dict[str, Any] | None = None
) -> Change:
    found = deltas.change(document(values, note, changed_at, also))
    assert found
    return found


DELTA = Delta("tank", 7, NOW, NOW)


@pytest.mark.parametrize(("changed_at", "follows"), [(NOW, True), (NOW - 2, True), (NOW - 3, False)])
def test_only_a_delta_that_follows_a_change_calls_for_a_downlink(changed_at: int, follows: bool) -> None:
    delta = deltas.receive(events.rule_output(message(changed_at), TOPIC))
    assert (delta.thing_name, delta.version, delta.follows_a_change) == ("tank", 7, follows)


@pytest.mark.parametrize(
    "bad", [{}, [], {"version": "7", "timestamp": 1, "metadata": {}}, {"version": 7, "timestamp": 1, "metadata": []}]
)
def test_a_message_that_is_not_a_delta_is_bad_input(bad: Any) -> None:
    with pytest.raises(BadInput):
        deltas.receive(events.rule_output(bad, TOPIC))


def test_the_topic_of_another_shadow_has_no_thing() -> None:
    assert deltas.thing_of("$aws/things/tank/shadow/update/delta") is None
    assert deltas.thing_of("$aws/things/tank/shadow/name/other/update/delta") is None


def test_a_change_is_as_old_as_the_fields_that_differ() -> None:
    assert change({"level": 5}).changed_at == NOW


def test_without_a_difference_there_is_no_change_and_one_that_is_not_an_object_is_bad_input() -> None:
    assert deltas.change({"version": 1, "state": {"reported": {}}, "metadata": {}}) is None
    with pytest.raises(BadInput):
        deltas.change(document("on"))


def noted(state: Note, values: Any, version: int = 3, changed_at: int = NOW, at: int = NOW) -> dict[str, Any]:
    return deltas.note(state, change(values, changed_at=changed_at), Delta("tank", version, 0, 0), at)


@pytest.mark.parametrize(
    ("note", "following"),
    [
        (None, Next.SEND),
        (noted(Note.SENT, {"level": 5}), Next.NOTHING),
        (noted(Note.REFUSED, {"level": 5}), Next.NOTHING),
        (noted(Note.SENT, {"level": 4}), Next.SEND),
        (noted(Note.SENT, {"level": 5}, changed_at=NOW - 1), Next.SEND),
        (noted(Note.SENT, {"other": 1}, changed_at=NOW + 1), Next.NOTHING),
        (noted(Note.SENDING, {"level": 5}), Next.NOTHING),
        (noted(Note.SENDING, {"level": 4}), Next.WAIT),
        (noted(Note.SENDING, {"level": 4}, at=NOW - 61), Next.SEND),
        (noted(Note.SENDING, {"level": 5}, version=7), Next.SEND),
        ({deltas.NOTE: {"state": "sent", "changedAt": NOW, "digest": 5}}, Next.SEND),
    ],
    ids=[
        "never sent",
        "sent",
        "refused",
        "another value in the same second",
        "set again later",
        "older than what was sent",
        "another delta is sending it",
        "an older change is being sent",
        "abandoned by an interrupted function",
        "interrupted while this delta was handled",
        "the note was overwritten",
    ],
)
def test_a_change_is_sent_once_and_after_the_previous_one(note: dict[str, Any] | None, following: Next) -> None:
    assert deltas.what_next(change({"level": 5}, note), DELTA, NOW) is following


def test_a_part_of_what_was_sent_that_differs_again_is_not_sent_again() -> None:
    again = change({"level": 5}, noted(Note.SENT, {"level": 5, "mode": 1}), also={"mode": 1})
    assert deltas.what_next(again, DELTA, NOW) is Next.NOTHING
    more = change({"mode": 1}, noted(Note.SENT, {"level": 5}), also={"level": 5})
    assert deltas.what_next(more, DELTA, NOW) is Next.SEND


def test_a_desired_state_is_in_the_shadow_as_desired_and_reported_and_no_third_time() -> None:
    values = {f"setting-{number}": "x" * 40 for number in range(50)}
    reported = deltas.sent(change(values), DELTA, NOW)
    assert reported["decodedPayload"] == values
    assert len(json.dumps(reported[deltas.NOTE])) < 200


def test_the_encoder_gets_the_values_by_name_and_as_state_like_in_v2() -> None:
    downlink = deltas.downlink(change({"level": 5, "version": "b"}), 20)
    assert downlink["decoded_payload"] == {"level": 5, "version": "b", "state": {"level": 5, "version": "b"}}
    assert downlink["f_port"] == 20


def test_a_sent_change_is_reported() -> None:
    reported = deltas.sent(change({"level": 5}), DELTA, NOW)
    assert reported["decodedPayload"] == {"level": 5}
    assert reported[deltas.NOTE]["state"] == "sent"


def test_the_delta_of_the_example_calls_for_a_downlink() -> None:
    delta = deltas.receive(events.load("rule_output/shadow_delta"))
    assert (delta.thing_name, delta.version, delta.follows_a_change) == ("tank-7", 7, True)
    found = deltas.change(events.load("shadow/document"))
    assert found
    assert (found.values, deltas.what_next(found, delta, NOW)) == ({"level": 5}, Next.SEND)
