"""The fault matrix: each hop of each scenario with each fault, and what came of it.

A cell converges by itself, or what failed is in a queue of failures with its cause and converges once it is replayed,
or its sender learned that it was not carried out. Everything else is lost, and fails the test.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cli.failures.contents import UNKNOWN
from tests.faults import deployment as deployments
from tests.faults.deployment import Deployment
from tests.faults.proxy import ONCE, Fault, Striking
from tests.faults.scenarios import Scenario, Unit, forget

EVENTS = "events"
"""Where a cell has its hop if its events arrive otherwise."""

_numbers = itertools.count(1)


class Delivered(StrEnum):
    """What happens to the events of a scenario, instead of to a hop."""

    TWICE = "each event twice"
    BACKWARDS = "events in the reverse order"


class Outcome(StrEnum):
    """What came of a cell, as the matrix shows it."""

    CONVERGED = "✓"
    REPLAYED = "queue"
    WAITED = "waits"
    ANSWERED = "answer"
    NOT_STRUCK = "–"
    LOST = "LOST"


@dataclass(frozen=True)
class Cell:
    """`place`: the queues that held it. `cause`: what they say. `missing`: what is lost."""

    scenario: str
    hop: str
    fault: str
    outcome: Outcome
    place: str = ""
    cause: str = ""
    missing: str = ""


def hops(deployment: Deployment, scenario: Scenario) -> list[str]:
    """The hops of a scenario without a fault, in the order of their first requests."""
    unit = _begin(deployment, scenario)
    for each in scenario.deliveries(deployment, unit):
        each()
    waiting = deployment.deliver()
    missing = scenario.missing(deployment, unit)
    found = list(dict.fromkeys([*deployment.aws_proxy.hops, *deployment.things_stack_proxy.hops]))
    _end(deployment, unit)
    assert not missing, f"{scenario.name}: {missing}"
    assert not waiting, f"{scenario.name}: {waiting}"
    return [each for each in found if re.fullmatch(scenario.hops, each)]


def strike(deployment: Deployment, scenario: Scenario, hop: str, fault: Fault) -> Cell:
    """One cell: the fault from the hop's first request on, then without it."""
    unit = _begin(deployment, scenario)
    if fault is Fault.TIME_OUT:
        deployment.read_seconds = deployments.IMPATIENT_SECONDS
    deliveries = scenario.deliveries(deployment, unit)
    deployment.faults.set = Striking(hop, fault)
    for each in deliveries:
        each()
    waits = deployment.deliver()
    struck, missing = deployment.faults.struck, scenario.missing(deployment, unit)
    _without_fault(deployment)
    if not struck:
        _end(deployment, unit)
        return Cell(scenario.name, hop, fault, Outcome.NOT_STRUCK)
    outcome, place, cause = Outcome.CONVERGED, "", ""
    entries = deployment.failed()
    if entries:
        outcome = Outcome.REPLAYED
        place = ", ".join(sorted({each.failures.name for each in entries}))
        cause = "; ".join(sorted({each.cause for each in entries}))
        deployment.replay()
    elif waits:
        outcome, place = Outcome.WAITED, ", ".join(sorted(waits))
    elif missing and scenario.answered(deployment, unit):
        outcome = Outcome.ANSWERED
        for each in (scenario.again or scenario.deliveries)(deployment, unit):
            each()
    left = deployment.deliver()
    missing = scenario.missing(deployment, unit) or (f"left in {left}" if left else "")
    if not missing and outcome is Outcome.REPLAYED and cause == UNKNOWN and fault not in ONCE:
        missing = "the cause"
    _end(deployment, unit)
    return Cell(scenario.name, hop, fault, Outcome.LOST if missing else outcome, place, cause, missing)


def deliver(deployment: Deployment, scenario: Scenario, how: Delivered) -> Cell:
    """One cell of a scenario whose events arrive otherwise."""
    unit = _begin(deployment, scenario)
    deliveries = list(scenario.deliveries(deployment, unit))
    chosen = [each for each in deliveries for _ in (1, 2)] if how is Delivered.TWICE else deliveries[::-1]
    if how is Delivered.BACKWARDS and len(deliveries) == 1:
        _end(deployment, unit)
        return Cell(scenario.name, EVENTS, how, Outcome.NOT_STRUCK)
    for each in chosen:
        each()
    left, entries = deployment.deliver(), deployment.failed()
    missing = scenario.missing(deployment, unit) or (f"left in {left}" if left else "")
    missing = missing or "; ".join(each.cause for each in entries)
    _end(deployment, unit)
    return Cell(scenario.name, EVENTS, how, Outcome.LOST if missing else Outcome.CONVERGED, missing=missing)


def cells(deployment: Deployment, scenario: Scenario, faults: Sequence[Fault] = tuple(Fault)) -> Iterator[Cell]:
    """All cells of a scenario."""
    for hop in hops(deployment, scenario):
        for fault in faults:
            yield strike(deployment, scenario, hop, fault)
    for how in Delivered:
        yield deliver(deployment, scenario, how)


def table(cells: Sequence[Cell]) -> list[str]:
    """The cells of one scenario as a table in Markdown: a row for each hop, a column for each fault."""
    rows = dict.fromkeys(each.hop for each in cells if each.hop != EVENTS)
    lines = ["| | " + " | ".join(Fault) + " | queue |", "|---" * (len(Fault) + 2) + "|"] if rows else []
    for hop in rows:
        found = {each.fault: each for each in cells if each.hop == hop}
        queues = sorted({name for each in found.values() for name in each.place.split(", ") if name})
        shown = [found[fault].outcome if fault in found else Outcome.NOT_STRUCK for fault in Fault]
        lines.append(f"| `{hop}` | {' | '.join(shown)} | {', '.join(f'`{each}`' for each in queues)} |")
    if rows:
        lines.append("")
    events = [f"{each.fault}: {each.outcome}" for each in cells if each.hop == EVENTS]
    return [*lines, f"{'; '.join(events)}.".capitalize(), ""]


def lost(cells: Sequence[Cell]) -> list[str]:
    """What is lost, as sentences."""
    return [
        f"{each.scenario}: {each.hop}: {each.fault}: {each.missing} (in {each.place or 'no queue'}: {each.cause})"
        for each in cells
        if each.outcome is Outcome.LOST
    ]


def _begin(deployment: Deployment, scenario: Scenario) -> Unit:
    unit = Unit(next(_numbers))
    deployment.move_after(scenario.attempts)
    deployment.overrides = {**scenario.settings, "MAXIMUM_RECEIVE_COUNT": str(scenario.attempts)}
    deployment.minute_passes = lambda: scenario.minute(deployment, unit)
    scenario.before(deployment, unit)
    deployment.deliver()
    deployment.start_again()
    for each in (deployment.aws_proxy, deployment.things_stack_proxy):
        each.carried.clear()
        each.hops.clear()
    return unit


def _without_fault(deployment: Deployment) -> None:
    deployment.faults.set, deployment.faults.killed = None, False
    deployment.read_seconds = deployments.READ_SECONDS
    deployment.start_again()


def _end(deployment: Deployment, unit: Unit) -> None:
    _without_fault(deployment)
    forget(deployment, unit)
