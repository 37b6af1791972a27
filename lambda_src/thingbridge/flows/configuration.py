"""What The Things Stack is to be configured with, and the record of what it was configured with. No I/O.

Terraform writes what is wanted into one parameter; the function `configure` keeps the record in another one, and each
plan compares the two (modules/integration). A place that may hold something is in the record before anything is sent,
so an apply that is interrupted anywhere is finished, or undone, by the next one.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

Settings = Mapping[str, Any]
"""What one part is configured with, as Terraform writes it; it names secrets and holds none."""

MOST_LEFT: Final = 2
"""Former places that a completed apply keeps for another try: a destroy tries each."""

LONGEST: Final = 4096
"""Characters of a parameter (Systems Manager quotas, tier Standard)."""


@dataclass(frozen=True)
class Application:
    """An application at The Things Stack, and the secret of its API key. Addresses are URLs without a path."""

    application_id: str
    cluster_address: str
    identity_server_address: str
    api_key_secret_arn: str

    @property
    def host(self) -> str:
        """Host and port of the cluster."""
        return self.cluster_address.partition("//")[2]


@dataclass(frozen=True)
class Place:
    """Settings of one part at one application. `key_version`: version of the secret whose key configured it."""

    application: Application
    settings: Settings
    key_version: str = ""

    @classmethod
    def wanted(cls, text: str) -> Self:
        """Read what Terraform wrote: the fields of an application, and the settings beside them."""
        given = json.loads(text)
        application = {name: given.pop(name) for name in Application.__dataclass_fields__}
        return cls(Application(**application), given)

    @classmethod
    def _recorded(cls, given: Mapping[str, Any]) -> Self:
        return cls(Application(**given["application"]), given["settings"], given["key_version"])


@dataclass(frozen=True)
class Record:
    """What was configured. `configuration` and `attempt` name the last one that was completed, "" while one is not.

    `current` is that place; `others` are places that may hold something: of an interrupted apply, or not removable.
    """

    configuration: str = ""
    attempt: str = ""
    current: Place | None = None
    others: tuple[Place, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Read a record; an empty one where there is none."""
        given = json.loads(text or "{}")
        if not given:
            return cls()
        return cls(
            given["configuration"],
            given["attempt"],
            Place._recorded(given["current"]) if given["current"] else None,
            tuple(Place._recorded(each) for each in given["others"]),
        )

    @property
    def text(self) -> str:
        """The record as it is stored; `{}` when nothing is configured."""
        return json.dumps(asdict(self), separators=(",", ":")) if self.places else "{}"

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place that may hold something."""
        return (*((self.current,) if self.current else ()), *self.others)

    def begun(self, place: Place, location: Callable[[Place], object]) -> Self:
        """While `place` is configured: what was completed is no longer known to hold.

        An earlier attempt at the same location gives way: there is one object, and this key has just been accepted.
        """
        others = tuple(each for each in self.others if location(each) != location(place))
        if self.current != place:
            others = (*others, place)
        return replace(self, configuration="", attempt="", others=others)

    def fitting(self) -> tuple[Self, Sequence[Place]]:
        """The record without the oldest of the `others` that a parameter has no room for, and those."""
        kept = self
        while len(kept.text) > LONGEST and kept.others:
            kept = replace(kept, others=kept.others[1:])
        return kept, self.others[: len(self.others) - len(kept.others)]


def digest(text: str) -> str:
    """The name of a configuration: what Terraform's `sha256` makes of the same text."""
    return hashlib.sha256(text.encode()).hexdigest()
