"""Tickets of downlinks: a message of a FIFO queue that says for which thing downlinks wait in the table.

A ticket has no content of a request, which stays in the table. The order of the tickets of a thing has no meaning
either: each of them has everything handled that is due, the oldest first.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thingbridge.errors import BadInput


@dataclass(frozen=True)
class Ticket:
    """`thing`: the partition of the table, as the request names its thing. `ids`: the rows that it was made for."""

    thing: str
    ids: tuple[str, ...]

    @property
    def group(self) -> str:
        """The message group: SQS takes only some characters, and a sender may name any thing."""
        return hashlib.sha256(self.thing.encode(errors="surrogatepass")).hexdigest()

    @property
    def text(self) -> str:
        """The ticket as a message."""
        return json.dumps({"thing": self.thing, "ids": self.ids})


def parse(text: str) -> Ticket:
    """Read a message. Raises BadInput."""
    try:
        match json.loads(text):
            case {"thing": str(thing), "ids": list(ids)}:
                return Ticket(thing, tuple(map(str, ids)))
    except (ValueError, RecursionError):
        pass
    raise BadInput("message", "must be a ticket, with thing and ids")


@dataclass(frozen=True)
class NewRow:
    """A row that was added to the table: its keys, and the id of the event in the table's stream."""

    thing: str
    id: str
    event_id: str


def new_row(record: Mapping[str, Any]) -> NewRow:
    """Read a record of the stream, which has keys only."""
    keys = record["dynamodb"]["Keys"]
    return NewRow(str(keys["thing"]["S"]), str(keys["id"]["S"]), str(record["eventID"]))


def of_new_rows(rows: Sequence[NewRow]) -> Iterator[tuple[Ticket, str]]:
    """A ticket for each thing with new rows, and its deduplication id.

    The id is that of the thing's last event: a batch that is delivered again has the same tickets, and a larger one has
    others.
    """
    ids: dict[str, list[str]] = {}
    last: dict[str, str] = {}
    for row in rows:
        ids.setdefault(row.thing, []).append(row.id)
        last[row.thing] = row.event_id
    for thing, own in ids.items():
        yield Ticket(thing, tuple(own)), last[thing]
