"""When the old certificates of a rotated device end, as a person gives it: `--end-old-after`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from cli.errors import WrongUsage

_DURATION: Final = re.compile(r"([1-9][0-9]{0,3})([hd])")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def ending(text: str, now: datetime) -> datetime:
    """The time that is meant: hours (`12h`) or days (`30d`) from now, the end of a day in UTC, or a time, UTC unless it
    has an offset. Raises WrongUsage for anything else, and for a time that is over.
    """
    try:
        end = _read(text, now)
    except (OverflowError, ValueError) as error:
        raise WrongUsage(
            f"--end-old-after must be like 12h, 30d, 2027-01-31 or 2027-01-31T18:00Z; got {text}"
        ) from error
    if end <= now:
        raise WrongUsage(f"--end-old-after must be in the future; got {text}, which is {shown(end)}")
    return end


def shown(end: datetime) -> str:
    """A time for a person."""
    return f"{end:%Y-%m-%d %H:%M} UTC"


def _read(text: str, now: datetime) -> datetime:
    if duration := _DURATION.fullmatch(text):
        number, unit = int(duration[1]), duration[2]
        return now + (timedelta(hours=number) if unit == "h" else timedelta(days=number))
    given = datetime.fromisoformat(text)
    if _DATE.fullmatch(text):
        given += timedelta(days=1)
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
