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

    @property
    def deduplication_id(self) -> str:
        """The same for the same rows, which are random: a batch that is delivered again has the same tickets, a larger
        one has others, and a row that was moved has one ticket, not one for each of its events."""
        return hashlib.sha256(self.text.encode()).hexdigest()


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
    """A row that was added to the table, by its keys."""

    thing: str
    id: str


def new_row(record: Mapping[str, Any]) -> NewRow:
    """Read a record of the table's stream, which has keys only."""
    keys = record["dynamodb"]["Keys"]
    return NewRow(str(keys["thing"]["S"]), str(keys["id"]["S"]))


def of_new_rows(rows: Sequence[NewRow]) -> Iterator[Ticket]:
    """A ticket for each thing with new rows."""
    ids: dict[str, list[str]] = {}
    for row in rows:
        ids.setdefault(row.thing, []).append(row.id)
    for thing, own in ids.items():
        yield Ticket(thing, tuple(own))
