"""The table of waiting downlinks, in an account in process."""

from typing import Any

import pytest

from tests.unit.conftest import AnswerWith
from tests.unit.flows.conftest import DOWNLINKS, create_downlinks_table
from thingbridge.aws.clients import Clients
from thingbridge.aws.waiting_downlinks import Waiting, WaitingDownlinks
from thingbridge.errors import Misconfigured

EVENT: dict[str, Any] = {"topic": "lorawan/a/downlink/push", "payload": "e30=", "receivedAt": 1_795_617_584_123}


@pytest.fixture
def waiting(clients: Clients) -> WaitingDownlinks:
    create_downlinks_table(clients)
    return WaitingDownlinks(clients, DOWNLINKS)


def test_a_row_is_listed_read_and_deleted(waiting: WaitingDownlinks) -> None:
    waiting.store("a", "1", EVENT)
    waiting.store("b", "1", EVENT)
    assert waiting.of("a") == [Waiting("1", 1_795_617_584.123)]
    assert waiting.read("a", "1") == EVENT
    for _ in range(2):
        waiting.delete("a", "1")
    assert waiting.of("a") == []
    assert waiting.read("a", "1") is None
    assert len(waiting.of("b")) == 1


def test_a_row_that_a_rule_wrote_is_read(waiting: WaitingDownlinks, clients: Clients) -> None:
    values = {name: {"N" if name == "receivedAt" else "S": str(value)} for name, value in EVENT.items()}
    clients("dynamodb").put_item(TableName=DOWNLINKS, Item={"thing": {"S": "a"}, "id": {"S": "1"}, **values})
    assert waiting.read("a", "1") == EVENT


def test_all_pages_are_listed_without_reading_what_they_hold(waiting: WaitingDownlinks) -> None:
    for number in range(12):
        waiting.store("a", str(number), {**EVENT, "payload": "x" * 128 * 1024})
    assert sorted(each.id for each in waiting.of("a")) == sorted(map(str, range(12)))


def test_a_table_that_is_missing_names_the_fix(clients: Clients) -> None:
    with pytest.raises(Misconfigured, match="terraform apply"):
        WaitingDownlinks(clients, DOWNLINKS).of("a")


def test_a_refused_write_is_raised(waiting: WaitingDownlinks, answer_with: AnswerWith) -> None:
    answer_with("dynamodb", "UpdateItem", 400, "AccessDeniedException")
    with pytest.raises(Misconfigured):
        waiting.store("a", "1", EVENT)
