"""One part of an application's configuration, brought to what is wanted: configured, moved, removed, and recorded.

The flow compares what is wanted with the record of what was configured, not with anything that its caller sends:
whoever may invoke the function can neither send the API key elsewhere nor have something else removed. The parts are
the integration (flows/ingest/part.py) and end-to-end encryption (flows/end_to_end_encryption/part.py).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from thingbridge.aws.parameters import Parameters
from thingbridge.diagnostics import emit
from thingbridge.errors import Busy, Misconfigured, Refused
from thingbridge.flows import api_key
from thingbridge.flows.configuration import MOST_LEFT, Application, Place, Record, Settings, digest
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import NotFound

PATIENCE: Final = 15.0
"""Seconds for which a server that does not answer is tried again: an operator waits for the apply."""

REMOVAL_PATIENCE: Final = 5.0
"""The same for a removal: what can't be removed is left, as a destroy must end when The Things Stack is gone."""

NO_ROOM: Final = "too many applies failed since: no later one removes it, unless this one succeeds"
"""Why a place is no longer recorded."""

Connect = Callable[[Application, str, float], ThingsStack]
"""A client for an application, with one version of its API key, that gives up on a call after these seconds."""


class Part(Protocol):
    """What is configured at an application; `settings` are those of one place."""

    def rights(self, settings: Settings) -> Mapping[str, str]:
        """Rights that the API key needs beyond those of every stack, by their label in the Console."""

    def location(self, settings: Settings) -> tuple[object, ...]:
        """Where it is within an application: another location is another object, to be removed by itself."""

    def name(self, settings: Settings) -> str:
        """What a person finds in the Console."""

    def recorded(self, settings: Settings) -> Settings:
        """What a later removal or comparison needs of the settings."""

    def configure(self, things_stack: ThingsStack, settings: Settings, before: Settings | None, moved: bool) -> None:
        """Create or update it; can be repeated. `before`: what was completed last, `moved`: in another application."""

    def remove(self, things_stack: ThingsStack, settings: Settings) -> None:
        """Remove it from The Things Stack, unless it is another owner's. Raises NotFound if there is nothing."""

    def release(self, settings: Settings) -> None:
        """Delete what only this part used in AWS."""


@dataclass(frozen=True)
class Convergence:
    """The flow of one part. `path`/wanted/`name` and `path`/record/`name` are its two parameters.

    `key_version` returns the ID of the current version of a secret, by its ARN.
    """

    part: Part
    path: str
    name: str
    parameters: Parameters
    connect: Connect
    key_version: Callable[[str], str]

    def apply(self, attempt: str) -> dict[str, Any]:
        """Configure what is wanted, remove what was configured elsewhere; returns both. Can be repeated.

        `attempt` is recorded on success: the next plan finds it. Raises Misconfigured, Busy or Refused. Before anything
        is sent, the record says that nothing is known to be complete.
        """
        text = self.parameters.read(f"{self.path}/wanted/{self.name}")
        if text is None:
            raise Misconfigured(f"the parameter {self.path}/wanted/{self.name} is missing: apply again")
        record, wanted = self._record(), Place.wanted(text)
        version = self.key_version(wanted.application.api_key_secret_arn)
        things_stack = self.connect(wanted.application, version, PATIENCE)
        api_key.check(things_stack, self.part.rights(wanted.settings))
        place = Place(wanted.application, self.part.recorded(wanted.settings), version)
        self._write(record.begun(place, self._location))

        def configure() -> None:
            before = record.current
            moved = bool(before and _application(before) != _application(place))
            self.part.configure(things_stack, wanted.settings, before.settings if before else None, moved)

        configure()
        former = self._elsewhere(record, place)
        removed, left = self._remove(former)
        if any(self._object(each) == self._object(place) for each in removed):
            # The same server under another address: what was just configured is gone.
            configure()
        for each in former:
            if self.part.location(each.settings) != self.part.location(place.settings):
                self.part.release(each.settings)
        self._write(Record(digest(text), attempt, place, tuple(each for each, _ in left)[-MOST_LEFT:]))
        return {"configured": self.part.name(place.settings), **self._outcome(removed, left)}

    def remove(self) -> dict[str, Any]:
        """Remove what is recorded, wherever it is. What can't be removed is left and reported, not raised."""
        record = self._record()
        places = self._distinct(record.places)
        removed, left = self._remove(places)
        for each in places:
            self.part.release(each.settings)
        self._write(Record())
        return self._outcome(removed, left)

    def _elsewhere(self, record: Record, place: Place) -> Sequence[Place]:
        here = self._location(place)
        return [each for each in self._distinct(record.places) if self._location(each) != here]

    def _distinct(self, places: Sequence[Place]) -> Sequence[Place]:
        return list({self._location(each): each for each in places}.values())

    def _remove(self, places: Sequence[Place]) -> tuple[Sequence[Place], Sequence[tuple[Place, str]]]:
        """Remove each; returns those that are gone, and those that are left, with the reason."""
        removed: list[Place] = []
        left: list[tuple[Place, str]] = []
        silent: dict[str, str] = {}
        for place in places:
            host = place.application.host
            try:
                reason = silent.get(host) or self._refusal(place)
            except Busy as error:
                reason = silent[host] = str(error)
            if reason:
                left.append((place, reason))
            else:
                removed.append(place)
        return removed, left

    def _refusal(self, place: Place) -> str | None:
        """Remove one; why it was refused, None when it is gone. Raises Busy.

        The key that configured it comes first: the current one may be of another application.
        """
        try:
            try:
                self._remove_with(place, place.key_version)
            except (Misconfigured, Refused):
                current = self.key_version(place.application.api_key_secret_arn)
                if current == place.key_version:
                    raise
                self._remove_with(place, current)
        except (Misconfigured, Refused) as error:
            return str(error)
        return None

    def _remove_with(self, place: Place, key_version: str) -> None:
        with suppress(NotFound):
            self.part.remove(self.connect(place.application, key_version, REMOVAL_PATIENCE), place.settings)

    def _outcome(self, removed: Sequence[Place], left: Sequence[tuple[Place, str]]) -> dict[str, Any]:
        for place, reason in left:
            emit("WARN", "left_behind", what=self._named(place), reason=reason)
        outcome = {
            "removed": [self._named(each) for each in removed],
            "left": [f"{self._named(each)}: {reason}" for each, reason in left],
        }
        return {name: value for name, value in outcome.items() if value}

    def _named(self, place: Place) -> str:
        application = place.application
        return f"{self.part.name(place.settings)} of the application {application.application_id} at {application.host}"

    def _location(self, place: Place) -> tuple[object, ...]:
        return (place.application.cluster_address, *self._object(place))

    def _object(self, place: Place) -> tuple[object, ...]:
        return (place.application.application_id, *self.part.location(place.settings))

    def _record(self) -> Record:
        return Record.read(self.parameters.read(f"{self.path}/record/{self.name}"))

    def _write(self, record: Record) -> None:
        kept, dropped = record.fitting()
        for place in dropped:
            emit("WARN", "left_behind", what=self._named(place), reason=NO_ROOM)
        self.parameters.write(f"{self.path}/record/{self.name}", kept.text)


def _application(place: Place) -> tuple[str, str]:
    return place.application.cluster_address, place.application.application_id
