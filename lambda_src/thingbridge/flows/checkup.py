"""The checkup: what no message and no comparison shows. Once a day: what ends soon, and whether there is a new version.

What is found becomes metrics, which alarms watch, and lines in the log of the function that runs it. What can't be
found out is not counted, and found out another day.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from thingbridge import VERSION, metrics
from thingbridge.diagnostics import emit
from thingbridge.errors import ThingbridgeError
from thingbridge.flows import expiry
from thingbridge.things_stack import releases
from thingbridge.things_stack.client import ThingsStack

DAYS_LEFT: Final = "DaysLeft"
"""Metric: days until the first of a stack's secrets and certificates ends."""

NEW_VERSION: Final = "NewVersion"
"""Metric: 1 if there is a later release than that of the stack, otherwise 0."""


@dataclass(frozen=True)
class Checkup:
    """One checkup. `releases_url`: where the latest release is read; None: it is not."""

    stack_name: str
    things_stack: Callable[[], ThingsStack]
    ca_certificate: str | None = None
    releases_url: str | None = None
    now: Callable[[], float] = time.time

    def run(self) -> None:
        """Examine, and report. Raises nothing: what called it is done."""
        found = {**self._days_left(), **self._new_version()}
        if found:
            metrics.emit(self.stack_name, found, self.now())

    def _days_left(self) -> dict[str, int]:
        now = self.now()
        try:
            endings = list(expiry.endings(self.things_stack(), self.ca_certificate))
        except ThingbridgeError as error:
            emit("WARN", "ends_not_examined", reason=str(error))
            return {}
        for each in endings:
            soon = each.days(now) <= expiry.SOON
            emit(
                "WARN" if soon else "INFO",
                "ends",
                what=each.what,
                days=each.days(now),
                **({"fix": each.fix} if soon else {}),
            )
        return {DAYS_LEFT: min(each.days(now) for each in endings)} if endings else {}

    def _new_version(self) -> dict[str, int]:
        if self.releases_url is None:
            return {}
        own, latest = releases.version(VERSION), releases.latest(self.releases_url)
        if own is None or latest is None:
            emit("INFO", "latest_version_unknown", version=VERSION)
            return {}
        if latest > own:
            emit("WARN", "new_version", version=VERSION, latest=".".join(map(str, latest)))
        return {NEW_VERSION: int(latest > own)}
