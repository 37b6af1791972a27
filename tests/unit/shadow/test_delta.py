"""Shadow deltas: which of them call for a downlink, and what is sent and noted."""

import base64
import json
from typing import Any

import pytest

from thingbridge.errors import BadInput
from thingbridge.messaging import shadow_delta
from thingbridge.messaging.shadow_delta import Change, Delta, Next, Note

TOPIC = "$aws/things/tank/shadow/name/lorawan/update/delta"
NOW = 1_000_000


def event(body: Any, topic: str = TOPIC) -> dict[str, str]:
    return {"topic": topic, "payload": base64.b64encode(json.dumps(body).encode()).decode()}


def message(changed_at: int, sent_at: int = NOW, version: int = 7) -> dict[str, Any]:
    stamp = {"level": {"timestamp": changed_at}, "list": [{"timestamp": changed_at - 5}]}
    return {
        "version": version,
        "timestamp": sent_at,
        "state": {"decodedPayload": {"level": 5, "list": [1]}},
        "metadata": {"decodedPayload": stamp},
    }


def document(values: Any, note: dict[str, Any] | None = None, changed_at: int = NOW) -> dict[str, Any]:
    reported = {"deltaDownlink": note[shadow_delta.NOTE]} if note else {}
    metadata = {name: {"timestamp": changed_at} for name in values} if isinstance(values, dict) else {}
    metadata["untouched"] = {"timestamp": changed_at + 500}
    return {
        "version": 8,
        "state": {"desired": {}, "reported": reported, "delta": {"decodedPayload": values}},
        "metadata": {"desired": {"decodedPayload": metadata}},
    }


def change(values: Any, note: dict[str, Any] | None = None, changed_at: int = NOW) -> Change:
    found = shadow_delta.change(document(values, note, changed_at))
    assert found
    return found


DELTA = Delta("tank", 7, NOW, NOW)


@pytest.mark.parametrize(("changed_at", "follows"), [(NOW, True), (NOW - 2, True), (NOW - 3, False)])
def test_only_a_delta_that_comes_with_a_change_calls_for_anything(changed_at: int, follows: bool) -> None:
    delta = shadow_delta.receive(event(message(changed_at)))
    assert (delta.thing_name, delta.version, delta.follows_a_change) == ("tank", 7, follows)


@pytest.mark.parametrize(
    "bad", [{}, [], {"version": "7", "timestamp": 1, "metadata": {}}, {"version": 7, "timestamp": 1, "metadata": []}]
)
def test_what_is_no_delta_is_bad_input(bad: Any) -> None:
    with pytest.raises(BadInput):
        shadow_delta.receive(event(bad))


def test_another_shadow_is_none_of_its_business() -> None:
    assert shadow_delta.thing_of("$aws/things/tank/shadow/update/delta") is None
    assert shadow_delta.thing_of("$aws/things/tank/shadow/name/other/update/delta") is None


def test_the_age_of_a_change_is_that_of_the_fields_that_differ() -> None:
    assert change({"level": 5}).changed_at == NOW


def test_no_difference_is_no_change_and_one_that_is_no_object_bad_input() -> None:
    assert shadow_delta.change({"version": 1, "state": {"reported": {}}, "metadata": {}}) is None
    with pytest.raises(BadInput):
        shadow_delta.change(document("on"))


def noted(state: Note, values: Any, version: int = 3, changed_at: int = NOW, at: int = NOW) -> dict[str, Any]:
    return shadow_delta.note(state, Change(values, changed_at, 1, {}), Delta("tank", version, 0, 0), at)


@pytest.mark.parametrize(
    ("note", "following"),
    [
        (None, Next.SEND),
        (noted(Note.SENT, {"level": 5}), Next.NOTHING),
        (noted(Note.REFUSED, {"level": 5}), Next.NOTHING),
        (noted(Note.SENT, {"level": 5, "mode": 1}), Next.NOTHING),
        (noted(Note.SENT, {"level": 4}), Next.SEND),
        (noted(Note.SENT, {"level": 5}, changed_at=NOW - 1), Next.SEND),
        (noted(Note.SENT, {"other": 1}, changed_at=NOW + 1), Next.NOTHING),
        (noted(Note.SENDING, {"level": 5}), Next.NOTHING),
        (noted(Note.SENDING, {"level": 4}), Next.WAIT),
        (noted(Note.SENDING, {"level": 4}, at=NOW - 61), Next.SEND),
        (noted(Note.SENDING, {"level": 5}, version=7), Next.SEND),
        ({shadow_delta.NOTE: {"state": "sent", "changedAt": NOW, "values": "no JSON"}}, Next.SEND),
    ],
    ids=[
        "never sent",
        "sent",
        "refused",
        "a part of what was sent",
        "another value in the same second",
        "set anew later",
        "older than what was sent",
        "another delta is sending it",
        "an older change is being sent",
        "given up by a function that broke off",
        "broken off by this very delta",
        "somebody wrote over the note",
    ],
)
def test_a_change_is_sent_once_and_after_the_one_before(note: dict[str, Any] | None, following: Next) -> None:
    assert shadow_delta.what_next(change({"level": 5}, note), DELTA, NOW) is following


def test_the_encoder_finds_the_values_by_name_and_the_way_of_v2() -> None:
    downlink = shadow_delta.downlink(change({"level": 5, "version": "b"}), 20)
    assert downlink["decoded_payload"] == {"level": 5, "version": "b", "state": {"level": 5, "version": "b"}}
    assert downlink["f_port"] == 20


def test_what_was_sent_is_reported() -> None:
    reported = shadow_delta.sent(change({"level": 5}), DELTA, NOW)
    assert reported["decodedPayload"] == {"level": 5}
    assert reported[shadow_delta.NOTE]["state"] == "sent"
