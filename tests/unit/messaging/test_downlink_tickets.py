"""Tickets of downlinks: one for each thing in a batch of a stream, and what can be read of one."""

import re

import pytest

from thingbridge.errors import BadInput
from thingbridge.messaging import downlink_tickets
from thingbridge.messaging.downlink_tickets import NewRow, Ticket


def record(number: int, thing: str) -> NewRow:
    keys = {"thing": {"S": thing}, "id": {"S": f"row-{number}"}}
    read = {"eventID": f"event-{number}", "eventName": "INSERT", "dynamodb": {"Keys": keys}}
    return downlink_tickets.new_row(read)


def test_a_batch_has_one_ticket_for_each_thing_with_all_of_its_rows() -> None:
    batch = [record(1, "a"), record(2, "b"), record(3, "a")]
    assert list(downlink_tickets.of_new_rows(batch)) == [Ticket("a", ("row-1", "row-3")), Ticket("b", ("row-2",))]


def test_only_a_ticket_for_the_same_rows_is_dropped_as_a_duplicate() -> None:
    rows = [record(1, "a"), record(2, "a"), record(3, "a")]
    (first,) = downlink_tickets.of_new_rows(rows[1:])
    (again,) = downlink_tickets.of_new_rows(rows[1:])
    (grown,) = downlink_tickets.of_new_rows(rows)
    # Of another batch, in which another row is before the last one.
    (other,) = downlink_tickets.of_new_rows([rows[0], rows[2]])
    ids = [each.deduplication_id for each in (first, again, grown, other)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in ids)


def test_a_ticket_is_read_as_it_was_written() -> None:
    ticket = Ticket("tank 7/ä", ("row-1",))
    assert downlink_tickets.parse(ticket.text) == ticket
    assert re.fullmatch("[0-9a-f]{64}", ticket.group)


@pytest.mark.parametrize("text", ["", "[]", "7", '{"thing": 7, "ids": []}', '{"thing": "a"}', "[" * 100_000])
def test_another_message_is_no_ticket(text: str) -> None:
    with pytest.raises(BadInput):
        downlink_tickets.parse(text)
