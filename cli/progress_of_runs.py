"""What the log of the function `sync` says about a run that waits in its queue, as sentences for the person who waits.

The function works on one message at a time, so a run waits until the one before it has ended or failed. Reading the log
is up to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cli.errors import Failed
from cli.output import count


class ProgressOfRuns:
    """Reads the entries of a log repeatedly, and says each thing once. `outcome`: the run's own summary.

    `begun`: whether it has started. `state`: what the run was doing when the log was last read.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._said: set[str] = set()
        self._runs: dict[str, str] = {}
        self.begun = False
        self.outcome: dict[str, Any] | None = None
        self.state = "it waits in its queue: another run may be active, and the function's log says more"

    def read(self, entries: Iterable[dict[str, Any]]) -> Iterator[str]:
        """What is new. Raises Failed when the run has ended without a result."""
        for entry in entries:
            if entry.get("event") == "synchronised" and entry.get("run") == self._run_id:
                self.outcome = entry
                return
            line = self._sentence(entry)
            if line and line not in self._said:
                self._said.add(line)
                yield line

    def _sentence(self, entry: Mapping[str, Any]) -> str | None:
        event, reason = entry.get("event"), entry.get("reason")
        if event == "sync_failed":
            self._runs[str(entry.get("message_id"))] = str(entry.get("run"))
        run = str(entry.get("run") or self._runs.get(str(entry.get("message_id")), ""))
        ours = run == self._run_id
        match event:
            case "sync_stopped" if ours:
                raise Failed(f"the run {run} stopped: {reason}")
            case "sync_tick_dropped" if ours:
                raise Failed(
                    f"the run {run} was dropped, because the run before it has just compared both registries: "
                    "run the command again if something changed since"
                )
            case "event_moved_to_dead_letters" if ours:
                tried = count(int(entry.get("attempt", 1)), "time")
                raise Failed(
                    f"the run {run} failed {tried}: {reason}. Its message is in the dead-letter queue of sync; the "
                    "next scheduled run compares everything again"
                )
            case "sync_begins" if ours:
                self.begun, self.state = True, "it keeps running, and its function logs the outcome"
                return f"Run {run} compares both registries …"
            case "event_will_be_retried" if run:
                pause = f"the next one starts in {entry.get('seconds')} s"
                again = f"attempt {entry.get('attempt')} failed ({reason}), {pause}"
                return f"Run {run}: {again}" if ours else f"Waiting for the run {run}: its {again}"
            case "sync_begins" | "sync_continues":
                return f"Waiting for the run {run}, which is active …" if not ours else None
        return None
