"""The table of sessions in an account in process: what is kept, and counters that are given out once."""

from collections.abc import Callable
from random import Random
from typing import Any

import boto3
import pytest

from thingbridge.aws_iot import clients
from thingbridge.aws_iot.sessions import REPLACED_KEPT_FOR, UNUSED_KEPT_FOR, SessionTable
from thingbridge.errors import Busy, Refused
from thingbridge.messaging.sessions import Session, SessionSeen

DEVICE = "A81758FFFE0312AB"
WRAPPED = {"kek_label": "ours", "encrypted_key": "AAAA"}
OLD = Session("b2xk", "260B0001", WRAPPED)
NEW = Session("bmV3", "260B0002", WRAPPED)
NOW = 1_700_000_000.0


@pytest.fixture
def table(account: None) -> SessionTable:
    boto3.client("dynamodb").create_table(
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
    return SessionTable("farm-sessions", now=lambda: NOW)


def items() -> dict[str, dict[str, Any]]:
    found = boto3.client("dynamodb").scan(TableName="farm-sessions")["Items"]
    return {each["session_key_id"]["S"]: each for each in found}


@pytest.fixture
def calls(table: SessionTable) -> list[str]:
    made: list[str] = []
    client = clients.client("dynamodb")
    client.meta.events.register("before-call.dynamodb", lambda model, **_: made.append(model.name))
    return made


def test_a_session_is_written_once_and_found_again(table: SessionTable, calls: list[str]) -> None:
    for _ in range(3):
        table.remember(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    assert calls == ["UpdateItem", "UpdateItem"]
    assert table.known(DEVICE, OLD.session_key_id) == OLD
    assert len(calls) == 2
    found = table.find(DEVICE, OLD.session_key_id)
    assert found is not None
    assert found.session == OLD
    assert table.latest(DEVICE) == OLD.session_key_id


def test_what_is_not_known_is_not_found(table: SessionTable) -> None:
    assert table.latest(DEVICE) is None
    assert table.find(DEVICE, "b2xk") is None
    assert table.known(DEVICE, "b2xk") is None
    assert table.take_counters(DEVICE, "b2xk", 1) is None
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=7) is None
    assert items() == {}


def test_the_latest_session_is_the_one_seen_last_whatever_comes_last(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(NEW, at=20, next_f_cnt_down=1))
    table.write(DEVICE, SessionSeen(OLD, at=10, next_f_cnt_down=1))
    assert table.latest(DEVICE) == NEW.session_key_id
    # A device that did not hear the answer to its join goes on in the old session.
    table.write(DEVICE, SessionSeen(OLD, at=30, next_f_cnt_down=1))
    assert table.latest(DEVICE) == OLD.session_key_id


def test_a_session_that_was_replaced_expires_sooner_until_it_is_used_again(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=10, next_f_cnt_down=1))
    assert items()["b2xk"]["expires"] == {"N": str(int(NOW) + UNUSED_KEPT_FOR)}
    table.write(DEVICE, SessionSeen(NEW, at=20, next_f_cnt_down=1))
    assert items()["b2xk"]["expires"] == {"N": str(int(NOW) + REPLACED_KEPT_FOR)}
    table.write(DEVICE, SessionSeen(OLD, at=30, next_f_cnt_down=1))
    assert items()["b2xk"]["expires"] == {"N": str(int(NOW) + UNUSED_KEPT_FOR)}
    assert items()["bmV3"]["expires"] == {"N": str(int(NOW) + REPLACED_KEPT_FOR)}


def test_a_session_whose_key_the_things_stack_holds_has_no_envelope(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(Session("b2xk", "260B0001", None), at=1, next_f_cnt_down=1))
    found = table.find(DEVICE, "b2xk")
    assert found is not None
    assert found.session.app_s_key is None


def test_a_session_that_had_an_envelope_keeps_it(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    table.write(DEVICE, SessionSeen(Session("b2xk", "260B0001", None), at=2, next_f_cnt_down=1))
    assert table.take_counters(DEVICE, "b2xk", 1) == (1, OLD)


def test_counters_go_on_where_the_things_stack_is_and_never_go_back(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=42))
    assert table.take_counters(DEVICE, "b2xk", 3) == (42, OLD)
    table.write(DEVICE, SessionSeen(OLD, at=2, next_f_cnt_down=1))
    assert table.take_counters(DEVICE, "b2xk", 1) == (45, OLD)
    assert table.take_counters(DEVICE, "b2xk", 2, at_least=100) == (100, OLD)
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=50) == (102, OLD)
    assert table.take_counters(DEVICE, "b2xk", 1, at_least=65_700) == (65_700, OLD)


def test_a_session_ends_with_its_counters(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=2**32 - 1))
    assert table.take_counters(DEVICE, "b2xk", 1) == (2**32 - 1, OLD)
    with pytest.raises(Refused, match="join again"):
        table.take_counters(DEVICE, "b2xk", 1)


def test_no_counter_is_given_out_twice_and_none_below_the_floor(table: SessionTable) -> None:
    """One after the other: moto is not atomic. At once, on the local AWS: tests/e2e/test_encryption.py."""
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    random = Random(7)
    given: list[int] = []
    for _ in range(60):
        count, floor = random.randint(1, 4), random.choice([0, given[-1] if given else 0, random.randint(0, 300)])
        taken = table.take_counters(DEVICE, "b2xk", count, at_least=floor)
        assert taken is not None
        assert taken[0] >= floor
        given += range(taken[0], taken[0] + count)
    assert given == sorted(set(given))


def test_what_was_queued_again_is_remembered(table: SessionTable) -> None:
    table.write(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
    table.mark_queued_again(DEVICE, "b2xk", [3, 4])
    table.mark_queued_again(DEVICE, "b2xk", [4, 5])
    found = table.find(DEVICE, "b2xk")
    assert found is not None
    assert found.queued_again == {3, 4, 5}


def test_a_busy_table_is_tried_again_later(
    table: SessionTable, answer_with: Callable[[str, str, int, str], None]
) -> None:
    answer_with("dynamodb", "UpdateItem", 400, "ProvisionedThroughputExceededException")
    with pytest.raises(Busy):
        table.remember(DEVICE, SessionSeen(OLD, at=1, next_f_cnt_down=1))
