"""The end of a way that messages took: another `uplink_mode` removes what they passed, once nothing is in it.

Terraform has the rule take the new way first, then has this wait, and only then deletes the old one. A refusal fails
the apply, and the next one tries again; meanwhile the function keeps handling what waits.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from thingbridge.aws.parameters import Parameters
from thingbridge.errors import Misconfigured
from thingbridge.flows.configuration import Record

SETTLES_AFTER: Final = 10.0
"""Seconds in which AWS IoT may still follow the rule as it was before; AWS documents no figure."""

PATIENCE: Final = 30.0
"""Seconds for which a queue is waited for: with the former, and margins, less than the function's timeout."""

LOOKS: Final = 3
"""How often in a row a queue must be empty: what Amazon SQS counts is approximate."""

BETWEEN_LOOKS: Final = 2.0


class Counted(Protocol):
    """A queue."""

    def waiting(self) -> int:
        """How many messages wait, those in flight included."""


@dataclass(frozen=True)
class Drain:
    """The flow. `record`: the parameter with the record of the integration; `queue`: a queue by its URL."""

    record: str
    parameters: Parameters
    queue: Callable[[str], Counted]
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    def begin(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """A way is created: what will be read at its end is read once, so that a missing right shows now."""
        return {"waiting": sum(self.queue(url).waiting() for url in (event["queue_url"], event["failures_url"]) if url)}

    def end(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """A way is to be removed. Raises Misconfigured while messages wait in it, unless the stack is removed."""
        if not Record.read(self.parameters.read(self.record)).places:
            return {"drained": False}  # The Things Stack sends nothing any more, and a destroy always works
        self.sleep(SETTLES_AFTER)
        if event["queue_url"]:
            self._wait(event["queue_url"])
        failed = self.queue(event["failures_url"]).waiting() if event["failures_url"] else 0
        if failed:
            raise Misconfigured(
                f"messages that failed ({failed}) wait in {_name(event['failures_url'])}, which would be deleted with "
                "the former uplink_mode: replay them with `thingbridge failures replay upstream_dead_letters`, or drop "
                "them, and apply again"
            )
        return {"drained": True}

    def _wait(self, url: str) -> None:
        until, empty, waiting = self.now() + PATIENCE, 0, 0
        while empty < LOOKS:
            waiting = self.queue(url).waiting()
            empty = 0 if waiting else empty + 1
            if self.now() >= until:
                raise Misconfigured(
                    f"messages ({waiting}) wait in {_name(url)}, which would be deleted with the former uplink_mode: "
                    "the function upstream keeps handling them, so apply again when the queue is empty"
                )
            self.sleep(BETWEEN_LOOKS)


def _name(url: str) -> str:
    return url.rpartition("/")[2]
