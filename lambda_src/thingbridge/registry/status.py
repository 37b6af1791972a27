"""The status of an end device in the shadow of its thing: `provisioning` with `state`, `step`, `reason` and `at`.

It shows on the thing itself why its device did not appear. `state`: created, claimed, completed, updated, unchanged;
failed (not tried again until the thing changes); retrying. `step`: the server where it stopped. `at`: RFC 3339.
`digest`: the digest of the thing's attributes when it failed, as in `marks`.
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
"""How long the comparison does not repeat a refused creation, while the thing stays as it is."""


def succeeded(outcome: str, at: datetime | None = None) -> dict[str, Any]:
    """The reported state after a success: null removes the details of an earlier failure from the shadow."""
    return _provisioning(outcome, None, None, None, at)


def failed(error: ThingbridgeError, *, again: bool, digest: str, at: datetime | None = None) -> dict[str, Any]:
    """The reported state after a failure. `again`: the event is retried. `digest`: of the thing, as in `marks`."""
    step = "attributes" if isinstance(error, BadInput) else error.step
    return _provisioning(RETRYING if again else FAILED, step, str(error), digest, at)


def is_refused(reported: Mapping[str, Any], digest: str, now: datetime) -> bool:
    """Whether a shadow's reported state has a refusal that still holds for a thing with this digest."""
    match reported.get(PROVISIONING):
        case {"state": state, "digest": failed, "at": str(at)} if (state, failed) == (FAILED, digest):
            try:
                return now - datetime.fromisoformat(at) < REFUSED_FOR
            except (ValueError, TypeError):  # not written by this product: not RFC 3339, or without a time zone
                return False
    return False


def _provisioning(
    state: str, step: str | None, reason: str | None, digest: str | None, at: datetime | None
) -> dict[str, Any]:
    moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {PROVISIONING: {"state": state, "step": step, "reason": reason, "digest": digest, "at": moment}}
