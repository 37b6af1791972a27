"""What depends on time in a cluster: its clock, the API keys that servers remember, and limits of downlink requests.

Sources: the Stack's auth/rights/cache.go with the default of two minutes, and its changelog of 3.35.2.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from local.things_stack.description import errors
from local.things_stack.servers import ApiKey, DeviceKey

REMEMBERED_FOR = 120.0
"""Seconds for which the Network, Application and Join Server remember a key and its rights."""
MINUTE = 60.0


@dataclass
class Clock:
    """Seconds since some time; `advance` lets time pass at once."""

    _ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


@dataclass
class RememberedKeys:
    """API keys by token, as they were when a server first saw them."""

    clock: Clock
    _seen: dict[str, tuple[float, ApiKey]] = field(default_factory=dict)

    def get(self, token: str) -> ApiKey | None:
        until, key = self._seen.get(token, (0.0, None))
        return key if self.clock() <= until else None

    def put(self, token: str, key: ApiKey) -> ApiKey:
        self._seen[token] = self.clock() + REMEMBERED_FOR, replace(key)
        return key


@dataclass
class DownlinkLimits:
    """Downlink requests a minute, for all devices of an application together (`by_application`) or for each device.
    The figures of hosted deployments are not public: `per_minute` is set by a test."""

    clock: Clock
    by_application: bool
    per_minute: int | None = None
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def take(self, device: DeviceKey) -> dict[str, str]:
        """Counts a request. Returns the headers of its answer (pkg/ratelimit). ApiError: the limit is reached."""
        if self.per_minute is None:
            return {}
        key, now = device[0] if self.by_application else ".".join(device), self.clock()
        began, count = self._windows.get(key, (now, 0))
        if now >= began + MINUTE:
            began, count = now, 0
        if count >= self.per_minute:
            raise errors.rate_limited(f"as:down:{key}", self.per_minute, round(began + MINUTE - now))
        self._windows[key] = began, count + 1
        available = self.per_minute - count - 1
        return errors.rate_limit_headers(self.per_minute, available, round(began + MINUTE - now), 0)
