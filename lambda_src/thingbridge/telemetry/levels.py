"""The level of a field, whatever the order in which its readings arrive.

Each level of alert is a switch with hysteresis: a value beyond the limit raises it, one that is back by the hysteresis
clears it, one in between leaves it. So the latest value outside of the hysteresis decides, and that is all that is
kept of the readings: for each level, the time of the latest such reading, and whether it raised or cleared. The latest
of two marks is the same in any order and with any repeats, so the level after all readings is that of the readings in
the order of their times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from thingbridge.telemetry.schema import NORMAL, Field, Level


@dataclass(frozen=True, order=True)
class Mark:
    """The latest reading that raised or cleared a level. `at`: its time, in Unix milliseconds.

    The order decides between two readings of the same time: the one that raises counts.
    """

    at: int
    raised: bool


Marks = Mapping[str, Mark]
"""Level → its mark."""


def marked(marks: Marks, field: Field, value: float, at: int) -> dict[str, Mark]:
    """The marks after a reading of that time."""
    after = dict(marks)
    for level in field.levels:
        raised = _raised(level, field.hysteresis, value)
        if raised is not None:
            after[level.name] = max(Mark(at, raised), after.get(level.name, Mark(0, raised=False)))
    return after


def level(marks: Marks, field: Field) -> str:
    """The most severe level that is raised, or NORMAL."""
    raised = (each.name for each in field.levels if marks.get(each.name, Mark(0, raised=False)).raised)
    return next(raised, NORMAL)


def level_of(field: Field, value: float) -> str:
    """The level of a value for itself, without the readings before it."""
    return next((each.name for each in field.levels if _raised(each, field.hysteresis, value)), NORMAL)


def with_threshold(field: Field, threshold: float) -> Field:
    """The field with a device's own threshold, which is the limit of its highest level.

    Other levels of high values that are not below it are left out; levels of low values stay. A field without a level
    of high values stays as it is.
    """
    upper = [each for each in field.levels if each.above is not None]
    if not upper:
        return field
    highest = max(upper, key=lambda each: each.above or 0.0)
    return replace(field, levels=_below(field.levels, highest, threshold))


def _below(levels: Sequence[Level], highest: Level, threshold: float) -> list[Level]:
    return [
        replace(each, above=threshold) if each is highest else each
        for each in levels
        if each is highest or each.above is None or each.above < threshold
    ]


def _raised(level: Level, hysteresis: float, value: float) -> bool | None:
    """Whether a value raises (True) or clears (False) a level; None if it leaves it as it is."""
    if level.above is not None:
        return True if value > level.above else False if value <= level.above - hysteresis else None
    if level.below is not None:
        return True if value < level.below else False if value >= level.below + hysteresis else None
    return None
