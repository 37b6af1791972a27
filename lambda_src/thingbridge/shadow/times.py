"""Times of messages: which ones can be used, text that sorts by time, and when a message is late.

RFC 3339 with up to nine decimals, in UTC, as The Things Stack writes `received_at`.
"""

import re
from datetime import datetime
from typing import Final

EARLIEST: Final = "2015-01-01"
"""LoRaWAN 1.0 is from January 2015: an earlier time (year 1, 1970) comes from a clock that was not set."""

LATE_SECONDS: Final = 5.0
"""A message handled later than this after it was received is late: newer ones may have been handled before."""

AHEAD_SECONDS: Final = 3600.0
"""A time further ahead of the function's clock than this is not believed: nothing would be newer for that long."""

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def sortable(value: object) -> str | None:
    """A time as text that sorts by time, with nanoseconds; None for what is no time, or one before `EARLIEST`."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] < EARLIEST:
        return None
    try:
        datetime.fromisoformat(match[1])
    except ValueError:
        return None
    return f"{match[1]}.{match[2] or '':0<9}Z"


def seconds(time: str) -> float:
    """Unix seconds of a sortable time."""
    return datetime.fromisoformat(f"{time[:26]}+00:00").timestamp()


def believable(time: str | None, now: float) -> tuple[str | None, bool]:
    """A sortable time, None if it is too far ahead of the clock; and whether a message received then is handled late.

    `now`: Unix seconds.
    """
    if time is None:
        return None, False
    age = now - seconds(time)
    return (time if age >= -AHEAD_SECONDS else None), age > LATE_SECONDS
