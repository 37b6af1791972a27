"""Decoders that return other members with each uplink: the shadow stays within its limit, and the newest are in it."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given

from tests import cases
from tests.sizes import size
from tests.unit.flows.shadow_account import NOW, SHADOW_BYTES, ShadowAccount, at
from tests.unit.flows.shadow_histories import EVENTS, INTERVAL, MESSAGES, PAUSES, History
from thingbridge.flows.shadow import ShadowWriter
from thingbridge.shadow.pacing import Row

ROW_BYTES = 32 * 1024
"""What a row may grow to: far below DynamoDB's limit, since each write is paid for by size."""

WRITERS: dict[str, Callable[[ShadowAccount], ShadowWriter]] = {
    "each message": ShadowAccount.immediate,
    "at intervals": lambda account: account.paced(INTERVAL),
    "at intervals, with desired states": lambda account: account.paced(INTERVAL, delta_f_port=20),
}


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def open_writer(request: pytest.FixtureRequest) -> Any:
    return request.param


def beacon(number: int) -> str:
    return f"AC233F{number:06}"


def send(account: ShadowAccount, writer: ShadowWriter, number: int, payload: dict[str, Any]) -> None:
    """An uplink every ten minutes."""
    account.clock.now = NOW + number * 600
    writer.write("tank", {"lastSeen": at(number * 600), "fCntUp": number, "decodedPayload": payload}, at(number * 600))


def row_bytes(account: ShadowAccount) -> int:
    return max((len(row["state"]["S"]) for row in account.rows.values()), default=0)


def test_the_newest_members_keep_arriving_for_weeks(open_writer: Callable[[ShadowAccount], ShadowWriter]) -> None:
    account = ShadowAccount()
    writer = open_writer(account)
    uplinks = size(200, 600)
    for number in range(uplinks):
        send(account, writer, number, {"beacons": {beacon(number): f"{number:040}"}, "battery": 90})
        assert account.reported["decodedPayload"]["beacons"][beacon(number)] == f"{number:040}"
    assert account.reported["fCntUp"] == uplinks - 1
    beacons = sorted(account.reported["decodedPayload"]["beacons"])
    assert beacons == [beacon(number) for number in range(uplinks - len(beacons), uplinks)]
    assert len(beacons) > 60
    assert account.size <= SHADOW_BYTES
    assert row_bytes(account) <= ROW_BYTES
    assert account.events() == ["decoded_payload_full"]
    # A refusal, a read and a write, once in about thirty uplinks.
    assert account.refusals <= 20


def test_objects_that_were_emptied_are_removed(open_writer: Callable[[ShadowAccount], ShadowWriter]) -> None:
    account = ShadowAccount()
    writer = open_writer(account)
    uplinks = size(220, 400)
    for number in range(uplinks):
        send(account, writer, number, {f"day-{number}": {"morning": {"level": number}, "evening": {"level": number}}})
    days = account.reported["decodedPayload"]
    assert len(days) < 200
    assert all(day["evening"] for day in list(days.values())[1:])
    assert f"day-{uplinks - 1}" in days
    assert account.size <= SHADOW_BYTES


def test_a_shadow_that_somebody_else_fills_has_the_metrics_and_the_newest_members(
    open_writer: Callable[[ShadowAccount], ShadowWriter],
) -> None:
    account = ShadowAccount()
    account.state = {"desired": {"decodedPayload": {"note": "x" * 6500}}}
    writer = open_writer(account)
    for number in range(150):
        send(account, writer, number, {"beacons": {beacon(number): -60}})
        assert account.reported["fCntUp"] == number
        assert beacon(number) in account.reported["decodedPayload"]["beacons"]
    assert account.events() == ["decoded_payload_full"]


def test_what_never_fits_is_recorded_and_the_metrics_are_written(
    open_writer: Callable[[ShadowAccount], ShadowWriter],
) -> None:
    account = ShadowAccount()
    account.state = {"desired": {"note": "x" * 7000}}
    writer = open_writer(account)
    send(account, writer, 1, {"text": "y" * 3000})
    assert account.reported == {"lastSeen": at(600), "fCntUp": 1}
    assert account.events() == ["shadow_not_written"]


def test_a_removed_member_that_is_reported_again_is_written(
    open_writer: Callable[[ShadowAccount], ShadowWriter],
) -> None:
    account = ShadowAccount()
    writer = open_writer(account)
    for number in range(100):
        send(account, writer, number, {"beacons": {beacon(number): "x" * 100}})
    assert beacon(0) not in account.reported["decodedPayload"]["beacons"]
    send(account, writer, 100, {"beacons": {beacon(0): "y"}})
    assert account.reported["decodedPayload"]["beacons"][beacon(0)] == "y"


def test_members_that_a_decoder_removes_itself_do_not_fill_the_row() -> None:
    account = ShadowAccount()
    writer = account.paced(INTERVAL)
    uplinks = size(250, 500)
    for number in range(uplinks):
        send(account, writer, number, {beacon(number): 1, **({beacon(number - 1): None} if number else {})})
    assert account.reported["decodedPayload"] == {beacon(uplinks - 1): 1}
    assert row_bytes(account) <= ROW_BYTES


@pytest.mark.parametrize("paced", [False, True], ids=["each message", "at intervals"])
@given(messages=MESSAGES, events=EVENTS, pauses=PAUSES)
def test_a_full_shadow_has_the_newest_members_in_any_history(
    paced: bool, messages: list[tuple[int, int]], events: dict[int, int | None], pauses: list[int]
) -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 100
    copies = [account.paced(INTERVAL) if paced else account.immediate() for _ in range(3)]

    def write(second: int, copy: int) -> None:
        # Three of four do not fit.
        payload = {"last": second, f"m{second}": f"{second}" * 2500}
        copies[copy].write("tank", {"lastSeen": at(second), "decodedPayload": payload}, at(second))

    history = History(account, messages, events, write)
    history.run(pauses)
    newest = max(history.handled)
    payload = account.reported["decodedPayload"]
    assert account.reported["lastSeen"] == at(newest)
    assert (payload["last"], payload[f"m{newest}"]) == (newest, f"{newest}" * 2500)
    if paced:
        row = Row.read(account.rows["tank"]["state"]["S"])
        assert {f"m{second}" for second in history.handled if f"m{second}" in payload} == {
            path[1] for path, (_, value) in row.fields.items() if value is not None and path[-1].startswith("m")
        }
        assert row.scheduled is None


@pytest.mark.parametrize("paced", [False, True], ids=["each message", "at intervals"])
@pytest.mark.parametrize("desired", [False, True], ids=["alone", "beside a desired state"])
def test_the_case_of_the_beacons(paced: bool, desired: bool) -> None:
    case = cases.load("5-shadow-grows-until-it-is-full")
    given, expected = case["input"], case["expected"]
    account = ShadowAccount()
    if desired:
        text = json.dumps(given["desired"]).replace("{filler}", "x" * given["filler_bytes"])
        account.state = {"desired": json.loads(text)}
    writer = account.paced(INTERVAL) if paced else account.immediate()
    keys = [given["key"].replace("{number}", str(number)) for number in range(given["uplinks"])]
    for number, key in enumerate(keys):
        send(account, writer, number, json.loads(json.dumps(given["decoded_payload"]).replace("{key}", key)))
    payload = account.reported["decodedPayload"]
    assert payload["battery"] == 90
    assert set(keys[-expected["newest_members"] :]) <= payload["beacons"].keys()
    assert account.size <= expected["largest_shadow_bytes"]
    shadow_calls = account.calls["UpdateThingShadow"] + account.calls["GetThingShadow"]
    assert shadow_calls / given["uplinks"] <= expected["most_shadow_calls_per_uplink"]
    assert account.events() in ([expected["log"]] if desired else [expected["log"], []])
    assert all(
        earlier in payload["beacons"] or later not in payload["beacons"] for earlier, later in pairwise(keys[::-1])
    )
