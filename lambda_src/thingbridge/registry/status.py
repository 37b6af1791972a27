"""What the shadow of a thing says about its end device: `provisioning` with `state`, `step`, `reason` and `at`.

So a user sees on the thing itself why its device did not appear. `state`: created, claimed, completed, updated,
unchanged; failed (not tried again before the thing is changed); retrying. `step`: the server where it stopped.
`at`: RFC 3339.
"""

from datetime import UTC, datetime
from typing import Any

from thingbridge.errors import BadInput, ThingbridgeError


def succeeded(outcome: str, at: datetime | None = None) -> dict[str, Any]:
    """The reported state after a success: null takes an earlier failure's step and reason out of the shadow."""
    return _provisioning(outcome, None, None, at)


def failed(error: ThingbridgeError, *, again: bool, at: datetime | None = None) -> dict[str, Any]:
    """The reported state after a failure. `again`: the event comes again by itself."""
    step = "attributes" if isinstance(error, BadInput) else error.step
    return _provisioning("retrying" if again else "failed", step, str(error), at)


def _provisioning(state: str, step: str | None, reason: str | None, at: datetime | None) -> dict[str, Any]:
    moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"provisioning": {"state": state, "step": step, "reason": reason, "at": moment}}
