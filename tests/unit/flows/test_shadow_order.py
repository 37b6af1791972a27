"""Messages in any order, late ones and repeated ones, in several execution environments: the newest state stays."""

import itertools
from typing import Any

import pytest
from hypothesis import example, given

from tests.unit.flows.shadow_account import NOW, ShadowAccount, at, throttled
from tests.unit.flows.shadow_histories import EVENTS, INTERVAL, MESSAGES, PAUSES, History, settle
from thingbridge.errors import Busy


def uplink(second: int, **fields: Any) -> dict[str, Any]:
    return {"lastSeen": at(second), "fCntUp": second, "rssi": -60 - second, **fields}


def join(second: int) -> dict[str, Any]:
    return {"lastSeen": at(second), "activated": at(second), "fCntUp": 0, "fCntDown": 0, "devAddr": f"26{second:06}"}


# Without an interval


def test_a_late_message_in_another_execution_environment_sets_nothing_back() -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 10
    account.immediate().write("tank", uplink(10), at(10))
    account.clock.now = NOW + 90
    account.immediate().write("tank", uplink(9), at(9))
    assert account.reported == uplink(10)


def test_a_message_in_time_is_written_without_reading_anything() -> None:
    account = ShadowAccount()
    writer = account.immediate()
    for second in range(0, 50, 10):
        account.clock.now = NOW + second + 4
        writer.write("tank", uplink(second), at(second))
    assert account.take_calls() == {"UpdateThingShadow": 5}


def test_a_late_message_costs_one_read_and_one_write_if_it_is_newer_and_one_read_if_not() -> None:
    account = ShadowAccount()
    account.immediate().write("tank", uplink(0), at(0))
    account.clock.now = NOW + 100
    account.take_calls()
    account.immediate().write("tank", uplink(20), at(20))
    assert account.take_calls() == {"GetThingShadow": 1, "UpdateThingShadow": 1}
    account.immediate().write("tank", uplink(19), at(19))
    assert account.take_calls() == {"GetThingShadow": 1}


def test_a_late_message_that_meets_a_newer_one_between_read_and_write_reads_again() -> None:
    account = ShadowAccount()
    account.immediate().write("tank", uplink(0), at(0))
    account.clock.now = NOW + 100
    other = account.immediate()
    account.interruptions[3] = lambda: other.write("tank", uplink(99), at(99))
    account.immediate().write("tank", uplink(20, devAddr="26"), at(20))
    assert account.reported == uplink(99)


class Restless(ShadowAccount):
    """A shadow that somebody else writes whenever it was read."""

    def get_thing_shadow(self, **request: Any) -> dict[str, Any]:
        answer = super().get_thing_shadow(**request)
        self.version += 1
        return answer


def test_a_late_message_is_retried_later_if_others_write_before_each_attempt() -> None:
    account = Restless()
    account.immediate().write("tank", uplink(0), at(0))
    account.clock.now = NOW + 1000
    with pytest.raises(Busy, match="met a concurrent write"):
        account.immediate().write("tank", uplink(20), at(20))


def test_two_late_messages_of_a_new_device_at_the_same_time_leave_the_newer_one() -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 100
    other = account.immediate()
    # The shadow is read (1), created (2), and read again (3) before it is written (4).
    account.interruptions[4] = lambda: other.write("tank", uplink(20), at(20))
    account.immediate().write("tank", uplink(10), at(10))
    assert account.reported == uplink(20)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_late_joins_and_uplinks_leave_the_newest_session_in_any_order(order: tuple[int, ...]) -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 1000
    messages = [(join(1), 1), (join(2), 2), (uplink(3, devAddr="26000002"), 3)]
    for index in order:
        state, second = messages[index]
        account.immediate().write("tank", state, at(second))
    assert account.reported.pop("fCntDown", 0) == 0
    expected = {**uplink(3, devAddr="26000002"), "activated": at(2)}
    assert account.reported | {"fCntDown": 0} == expected | {"fCntDown": 0}


def test_a_late_downlink_counter_of_the_session_before_does_not_replace_that_of_the_join() -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 50
    account.immediate().write("tank", join(50), at(50))
    account.clock.now = NOW + 90
    account.immediate().write("tank", {"fCntDown": 312}, at(40))
    assert account.reported["fCntDown"] == 0
    account.immediate().write("tank", {"fCntDown": 2}, at(60))
    account.immediate().write("tank", {"fCntDown": 1}, at(55))
    assert account.reported["fCntDown"] == 2


def test_a_late_payload_replaces_older_members_alone() -> None:
    account = ShadowAccount()
    writer = account.immediate()
    writer.write("tank", uplink(0, decodedPayload={"a": 0, "b": {"c": 0, "d": 0}, "gone": 0}), at(0))
    account.clock.now = NOW + 100
    writer.write("tank", uplink(100, decodedPayload={"b": {"d": 100}, "gone": None}), at(100))
    account.clock.now = NOW + 200
    late = uplink(50, decodedPayload={"a": 50, "b": {"c": 50, "d": 50}, "gone": 50})
    account.immediate().write("tank", late, at(50))
    assert account.reported == uplink(100, decodedPayload={"a": 50, "b": {"c": 50, "d": 100}})


def test_the_order_of_late_payloads_is_kept_without_metrics() -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 100
    for second in (1, 3, 2):
        account.immediate().write("tank", {"decodedPayload": {"level": second}}, at(second))
    assert account.reported["decodedPayload"] == {"level": 3}


def test_a_time_far_ahead_of_the_clock_does_not_freeze_the_shadow() -> None:
    for account in (ShadowAccount(), ShadowAccount()):
        for writer in (account.immediate(), account.paced(INTERVAL)):
            writer.write("tank", uplink(0), "2099-01-01T00:00:00.000000000Z")
            account.clock.now += 100
            writer.write("tank", uplink(100), at(100))
            assert account.reported["fCntUp"] == 100
            account.clock.now = NOW


@given(messages=MESSAGES, events=EVENTS)
def test_late_messages_in_any_order_end_in_the_newest_state(
    messages: list[tuple[int, int]], events: dict[int, int | None]
) -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 1000
    copies = [account.immediate() for _ in range(3)]

    def write(second: int, copy: int) -> None:
        copies[copy].write("tank", uplink(second, decodedPayload={"level": second}), at(second))

    history = History(account, messages, events, write)
    history.run()
    newest = max(history.handled)
    assert account.reported == uplink(newest, decodedPayload={"level": newest})


# At intervals


def test_a_repeated_message_in_an_environment_with_an_old_row_sets_nothing_back() -> None:
    account = ShadowAccount()
    one, other = account.paced(INTERVAL), account.paced(INTERVAL)
    # The row is stored, and the write to the shadow meets a busy AWS: this environment remembers the write as its own.
    account.interruptions[3] = throttled
    with pytest.raises(Busy):
        one.write("tank", uplink(1), at(1))
    other.write("tank", uplink(1), at(1))
    account.clock.now += 100
    other.write("tank", uplink(90), at(90))
    assert account.reported == uplink(90)
    one.write("tank", uplink(1), at(1))
    settle(account)
    assert account.reported == uplink(90)


def test_a_write_that_took_so_long_that_another_was_done_meanwhile_is_corrected() -> None:
    account = ShadowAccount()
    slow, other = account.paced(INTERVAL), account.paced(INTERVAL)

    def meanwhile() -> None:
        other.write("tank", uplink(1), at(1))
        account.clock.now += 100
        other.write("tank", uplink(90), at(90))
        assert account.reported == uplink(90)

    account.interruptions[3] = meanwhile
    slow.write("tank", uplink(1), at(1))
    settle(account)
    assert account.reported == uplink(90)


@example(messages=[(1, 0), (1, 1), (2, 1)], events={3: None}, pauses=[INTERVAL, 0, 0])
@given(messages=MESSAGES, events=EVENTS, pauses=PAUSES)
def test_paced_messages_in_any_order_end_in_the_newest_value_of_each_field(
    messages: list[tuple[int, int]], events: dict[int, int | None], pauses: list[int]
) -> None:
    account = ShadowAccount()
    account.clock.now = NOW + 100
    copies = [account.paced(INTERVAL) for _ in range(3)]

    def write(second: int, copy: int) -> None:
        copies[copy].write("tank", uplink(second, **{f"only{second % 3}": second}), at(second))

    history = History(account, messages, events, write)
    history.run(pauses)
    newest = max(history.handled)
    assert account.reported == uplink(newest) | {f"only{second % 3}": second for second in sorted(history.handled)}
