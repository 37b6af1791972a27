"""The status of an end device in the shadow of its thing: `provisioning` with `state`, `step`, `reason` and `at`.

It shows on the thing itself why its device did not appear. `state`: created, claimed, completed, updated, unchanged;
failed (not tried again until the thing changes); retrying. `step`: the server where it stopped. `at`: RFC 3339.
`digest`: the digest of the thing's attributes when it failed, as in `marks`; `since`: when it first failed with it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from thingbridge.errors import BadInput, ThingbridgeError

PROVISIONING: Final = "provisioning"
"""The field of the shadow's reported state."""

FAILED: Final = "failed"
RETRYING: Final = "retrying"
"""The states of a device that is not as its thing describes it; the other states are outcomes of the work itself."""

REFUSED_FOR: Final = timedelta(days=1)
"""How long the comparison does not repeat a refused creation, while the thing stays as it is.

A creation that failed for another reason is not repeated for as long as it has been failing, up to this time.
"""


def succeeded(outcome: str, at: datetime | None = None) -> dict[str, Any]:
    """The reported state after a success: null removes the details of an earlier failure from the shadow."""
    return _provisioning(outcome, None, None, None, None, at)


def failed(
    error: ThingbridgeError, *, again: bool, digest: str, since: datetime | None = None, at: datetime | None = None
) -> dict[str, Any]:
    """The reported state after a failure. `again`: the event is retried. `digest`: of the thing, as in `marks`.

    `since`: when it first failed, None for the first time.
    """
    step = "attributes" if isinstance(error, BadInput) else error.step
    at = at or datetime.now(UTC)
    return _provisioning(RETRYING if again else FAILED, step, str(error), digest, since or at, at)


def failing_since(reported: Mapping[str, Any], digest: str) -> datetime | None:
    """Since when a thing with this digest has been failing, None if it has not."""
    match reported.get(PROVISIONING):
        case {"state": state, "digest": failed, "since": str(since)} if (state, failed) == (RETRYING, digest):
            return _moment(since)
    return None


def is_deferred(reported: Mapping[str, Any], digest: str, now: datetime) -> bool:
    """Whether the comparison leaves a thing with this digest alone, because its creation has been failing.

    Each pause is as long as the time from the first failure to the last, so it doubles with every attempt.
    """
    since = failing_since(reported, digest)
    last = _moment(str(reported[PROVISIONING].get("at"))) if since else None
    return since is not None and last is not None and now - last < min(last - since, REFUSED_FOR)


def is_refused(reported: Mapping[str, Any], digest: str, now: datetime) -> bool:
    """Whether a shadow's reported state has a refusal that still holds for a thing with this digest."""
    match reported.get(PROVISIONING):
        case {"state": state, "digest": failed, "at": str(at)} if (state, failed) == (FAILED, digest):
            last = _moment(at)
            return last is not None and now - last < REFUSED_FOR
    return False


def _moment(text: str) -> datetime | None:
    """A time, None for one that this product did not write: not RFC 3339, or without a time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _provisioning(
    state: str,
    step: str | None,
    reason: str | None,
    digest: str | None,
    since: datetime | None,
    at: datetime | None,
) -> dict[str, Any]:
    details = {"step": step, "reason": reason, "digest": digest, "since": since and _text(since)}
    return {PROVISIONING: {"state": state, **details, "at": _text(at or datetime.now(UTC))}}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
