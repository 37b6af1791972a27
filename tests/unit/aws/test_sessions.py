"""The table of sessions in an account in process: what is kept, and counters that are issued once."""

from collections.abc import Callable
from random import Random
from typing import Any

import boto3
import pytest

from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients
from thingbridge.aws.sessions import REPLACED_KEPT_FOR, UNUSED_KEPT_FOR, SessionTable
from thingbridge.encryption.sessions import Session, SessionSeen
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
    assert table.latest(DEVICE) == OLD.session_key_id


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
    assert table.latest(DEVICE) == NEW.session_key_id
    # A device that did not receive the join-accept keeps using the old session.
    table.write(DEVICE, SessionSeen(OLD, at=30, next_f_cnt_down=1))
    assert table.latest(DEVICE) == OLD.session_key_id


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
    assert table.take_counters(DEVICE, "b2xk", 1) == (1, OLD)


def test_counters_continue_where_the_things_stack_is_and_never_go_back(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=42))
    assert table.take_counters(DEVICE, "b2xk", 3) == (42, OLD)
    table.write(DEVICE, SessionSeen(OLD, at=2, next_f_cnt_down=1))
    assert table.take_counters(DEVICE, "b2xk", 1) == (45, OLD)
    assert table.take_counters(DEVICE, "b2xk", 2, at_least=100) == (100, OLD)
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=50) == (102, OLD)
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=65_700) == (65_700, OLD)


def test_a_session_without_counters_left_is_refused(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=2**32 - 1))
    assert table.take_counters(DEVICE, "b2xk", 1) == (2**32 - 1, OLD)
    with pytest.raises(Refused, match="join again"):
        table.take_counters(DEVICE, "b2xk", 1)


def test_no_counter_is_issued_twice_and_none_below_the_floor(table: SessionTable) -> None:
    """One after another, because moto is not atomic; tests/e2e has the same with concurrent requests."""
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
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
