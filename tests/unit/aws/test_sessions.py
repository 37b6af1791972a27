"""The table of sessions in an account in process: what is kept, and counters that are issued once."""

from collections.abc import Callable
from random import Random
from typing import Any

import boto3
import pytest

from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients
from thingbridge.aws.session_items import Latest
from thingbridge.aws.sessions import LONGEST_JUMP, REPLACED_KEPT_FOR, UNUSED_KEPT_FOR, NotCounted, SessionTable
from thingbridge.encryption.sessions import CLOCKS_DIFFER_BY, Session, SessionSeen
from thingbridge.errors import Busy, Refused

DEVICE = "A81758FFFE0312AB"
WRAPPED = {"kek_label": "ours", "encrypted_key": "AAAA"}
OLD = Session("b2xk", "260B0001", WRAPPED)
NEW = Session("bmV3", "260B0002", WRAPPED)
NOW = 1_700_000_000.0


@pytest.fixture
def table(clients: Clients) -> SessionTable:
    clients("dynamodb").create_table(
        TableName="farm-sessions",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "device", "KeyType": "HASH"},
            {"AttributeName": "session_key_id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "device", "AttributeType": "S"},
            {"AttributeName": "session_key_id", "AttributeType": "S"},
        ],
    )
    clients.take_calls()
    return SessionTable(clients, "farm-sessions", now=lambda: NOW)


def latest_of(table: SessionTable) -> str | None:
    latest = table.latest(DEVICE)
    return latest.session_key_id if latest else None


def counted(table: SessionTable, first: int = 1) -> None:
    table.begin_counting(DEVICE, OLD.session_key_id, first)


def items() -> dict[str, dict[str, Any]]:
    found = boto3.client("dynamodb").scan(TableName="farm-sessions")["Items"]
    return {each["session_key_id"]["S"]: each for each in found}


def test_a_session_is_written_once_and_found_again(table: SessionTable, calls: Callable[[], dict[str, int]]) -> None:
    for _ in range(3):
        table.remember(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    assert calls() == {"UpdateItem": 2}
    assert table.known(DEVICE, OLD.session_key_id) == OLD
    assert calls() == {}
    found = table.find(DEVICE, OLD.session_key_id)
    assert found is not None
    assert found.session == OLD
    assert table.latest(DEVICE) == Latest(OLD.session_key_id, joining=False, by_uplink=True)


def test_an_unknown_session_is_not_found_and_not_created(table: SessionTable) -> None:
    assert table.latest(DEVICE) is None
    assert table.find(DEVICE, "b2xk") is None
    assert table.known(DEVICE, "b2xk") is None
    assert table.take_counters(DEVICE, "b2xk", 1) is None
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=7) is None
    assert items() == {}


def test_the_latest_session_is_the_one_seen_last_in_any_order_of_messages(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(NEW, at=20, next_f_cnt_down=1))
    table.write(DEVICE, SessionSeen(OLD, at=10, next_f_cnt_down=1))
    assert latest_of(table) == NEW.session_key_id
    # A device that did not receive the join-accept keeps using the old session.
    table.write(DEVICE, SessionSeen(OLD, at=30, next_f_cnt_down=1))
    assert latest_of(table) == OLD.session_key_id


def test_a_replaced_session_expires_sooner_unless_it_is_used_again(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=10, next_f_cnt_down=1))
    assert items()["b2xk"]["expires"] == {"N": str(int(NOW) + UNUSED_KEPT_FOR)}
    table.write(DEVICE, SessionSeen(NEW, at=20, next_f_cnt_down=1))
    assert items()["b2xk"]["expires"] == {"N": str(int(NOW) + REPLACED_KEPT_FOR)}
    table.write(DEVICE, SessionSeen(OLD, at=30, next_f_cnt_down=1))
    assert items()["b2xk"]["expires"] == {"N": str(int(NOW) + UNUSED_KEPT_FOR)}
    assert items()["bmV3"]["expires"] == {"N": str(int(NOW) + REPLACED_KEPT_FOR)}


def test_a_session_whose_key_the_things_stack_holds_is_stored_without_an_envelope(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(Session("b2xk", "260B0001", None), at=1, next_f_cnt_down=1))
    found = table.find(DEVICE, "b2xk")
    assert found is not None
    assert found.session.app_s_key is None


def test_a_session_that_had_an_envelope_keeps_it(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    table.write(DEVICE, SessionSeen(Session("b2xk", "260B0001", None), at=2, next_f_cnt_down=1))
    counted(table)
    assert table.take_counters(DEVICE, "b2xk", 1) == (1, OLD)


def test_counters_continue_where_the_things_stack_is_and_never_go_back(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=42))
    counted(table)
    assert table.take_counters(DEVICE, "b2xk", 3) == (42, OLD)
    table.write(DEVICE, SessionSeen(OLD, at=2, next_f_cnt_down=1))
    assert table.take_counters(DEVICE, "b2xk", 1) == (45, OLD)
    assert table.take_counters(DEVICE, "b2xk", 2, at_least=100) == (100, OLD)
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=50) == (102, OLD)
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=65_700) == (65_700, OLD)


def test_a_session_without_counters_left_is_refused(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    counted(table, 2**32 - 1)
    assert table.take_counters(DEVICE, "b2xk", 1) == (2**32 - 1, OLD)
    with pytest.raises(Refused, match="join again"):
        table.take_counters(DEVICE, "b2xk", 1)


def test_no_counter_is_issued_twice_and_none_below_the_floor(table: SessionTable) -> None:
    """One after another, because moto is not atomic; tests/e2e has the same with concurrent requests."""
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    counted(table)
    random = Random(7)
    issued: list[int] = []
    for _ in range(60):
        count, floor = (
            random.randint(1, 4),
            random.choice([0, issued[-1] if issued else 0, random.randint(0, 300)]),
        )
        taken = table.take_counters(DEVICE, "b2xk", count, at_least=floor)
        assert taken is not None
        assert taken[0] >= floor
        issued += range(taken[0], taken[0] + count)
    assert issued == sorted(set(issued))


def test_downlinks_that_were_queued_again_are_remembered(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    table.mark_queued_again(DEVICE, "b2xk", [3, 4])
    table.mark_queued_again(DEVICE, "b2xk", [4, 5])
    found = table.find(DEVICE, "b2xk")
    assert found is not None
    assert found.queued_again == {3, 4, 5}


def test_a_busy_table_is_raised_as_busy(table: SessionTable, answer_with: AnswerWith) -> None:
    answer_with("dynamodb", "UpdateItem", 400, "ProvisionedThroughputExceededException")
    with pytest.raises(Busy):
        table.remember(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))


# What messages may change, and what only The Things Stack itself ------------------------------------------------------

FORGED = {"kek_label": "ours", "encrypted_key": "BBBB"}


def stored(table: SessionTable) -> Session:
    found = table.find(DEVICE, OLD.session_key_id)
    assert found is not None
    return found.session


def test_a_key_that_opens_stays_whatever_messages_come_later(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    for key_opens in (True, False):
        other = Session("b2xk", "260BFFFF", FORGED)
        assert table.write(DEVICE, SessionSeen(other, at=2, next_f_cnt_down=1), key_opens=key_opens) == OLD
    assert stored(table) == OLD


def test_a_key_that_opens_replaces_one_that_does_not(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(Session("b2xk", "260B0001", FORGED), at=1, next_f_cnt_down=1), key_opens=False)
    again = Session("b2xk", "260B0001", {"kek_label": "other", "encrypted_key": "CCCC"})
    assert table.write(DEVICE, SessionSeen(again, at=2, next_f_cnt_down=1), key_opens=False).app_s_key == FORGED
    assert table.write(DEVICE, SessionSeen(OLD, at=3, next_f_cnt_down=1)) == OLD


def test_the_answer_of_the_application_server_replaces_everything(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(Session("b2xk", "260BFFFF", FORGED), at=1, next_f_cnt_down=1))
    for envelope in (WRAPPED, None):
        answer = Session("b2xk", "260B0001", envelope, confirmed=True)
        written = table.write(DEVICE, SessionSeen(answer, at=None, next_f_cnt_down=1))
        assert (written, written.confirmed) == (answer, True)
        assert stored(table) == answer


def test_a_message_raises_a_counter_but_not_without_bounds(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    counted(table)
    for at_least, expected in ((9, 9), (5, 10), (12 + LONGEST_JUMP, 11), (12 + LONGEST_JUMP, 12 + LONGEST_JUMP)):
        table.raise_counter(DEVICE, "b2xk", at_least)
        assert table.take_counters(DEVICE, "b2xk", 1) == (expected, OLD)
    table.raise_counter(DEVICE, "bm9uZQ==", 9)
    assert "bm9uZQ==" not in items()


def test_the_first_message_of_a_session_does_not_use_up_its_counters(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=2**32 - 1))
    counted(table, 7)
    assert table.take_counters(DEVICE, "b2xk", 1) == (7, OLD)


def test_a_message_from_the_future_does_not_stay_the_latest(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=int((NOW + 86_400) * 1e6), next_f_cnt_down=1))
    table.write(DEVICE, SessionSeen(NEW, at=int((NOW + CLOCKS_DIFFER_BY) * 1e6), next_f_cnt_down=1))
    assert latest_of(table) == "bmV3"


def test_a_warm_message_writes_only_a_counter_that_has_advanced(
    table: SessionTable, calls: Callable[[], dict[str, int]]
) -> None:
    table.remember(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    counted(table)
    calls()
    for _ in range(3):
        table.remember(DEVICE, SessionSeen(OLD, at=2, next_f_cnt_down=8))
    assert calls() == {"UpdateItem": 1}
    assert table.take_counters(DEVICE, "b2xk", 1) == (8, OLD)


def test_a_session_that_began_with_a_join_is_written_again_with_its_first_uplink(
    table: SessionTable, calls: Callable[[], dict[str, int]]
) -> None:
    table.remember(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1, joining=True))
    assert table.latest(DEVICE) == Latest("b2xk", joining=True, by_uplink=False)
    table.remember(DEVICE, SessionSeen(OLD, at=2, next_f_cnt_down=1))
    assert table.latest(DEVICE) == Latest("b2xk", joining=False, by_uplink=True)
    calls()
    table.remember(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1, joining=True))
    table.remember(DEVICE, SessionSeen(OLD, at=3, next_f_cnt_down=1))
    assert calls() == {}


# Counting -------------------------------------------------------------------------------------------------------------


def test_no_counter_is_issued_before_it_was_compared_with_the_things_stack(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    with pytest.raises(NotCounted):
        table.take_counters(DEVICE, "b2xk", 1)
    counted(table, 40)
    assert table.take_counters(DEVICE, "b2xk", 2) == (40, OLD)
    counted(table, 30)
    assert table.take_counters(DEVICE, "b2xk", 1) == (42, OLD)


def test_a_refused_push_that_succeeded_later_is_remembered(table: SessionTable) -> None:
    assert not table.was_queued(DEVICE, "thingbridge:1")
    table.note_queued(DEVICE, "thingbridge:1")
    assert table.was_queued(DEVICE, "thingbridge:1")
    assert not table.was_queued(DEVICE, "thingbridge:2")
