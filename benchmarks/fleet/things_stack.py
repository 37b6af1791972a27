"""The Things Stack as the product's transport calls it: the device registries of its servers, with a rate limit.

Only what the flow `registry` calls. Field masks are not applied: an answer may have more than was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests

from benchmarks.fleet.engine import Clock
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.transport import Transport

CALLS_PER_SECOND: Final = 100
"""Calls of one API key that are answered: an assumption, the hosted deployments do not publish their limit."""

SECONDS: Final = 0.08
"""Duration of a call: an estimate."""

APPLICATION: Final = "farm-app"
_PATH: Final = re.compile(
    r"https://[^/]+/api/v3/(?P<search>search/)?(?P<server>js/|ns/|as/)?applications/[^/]+/devices/?(?P<id>.*)"
)
_NOT_FOUND: Final = {
    "code": 5,
    "message": "not found",
    "details": [{"namespace": "pkg/redis", "name": "not_found", "message_format": "entity not found", "code": 5}],
}


class Answer:
    """What the transport reads of an answer."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self.status_code, self.headers, self._body = status, headers or {}, body

    def json(self) -> Mapping[str, Any]:
        return self._body


class Servers:
    """The servers, and who calls them. `born_with`: the device of an id that exists from the beginning, if it does."""

    def __init__(
        self,
        clock: Clock,
        born_with: Callable[[str], dict[str, Any] | None] = lambda _id: None,
        rate: int = CALLS_PER_SECOND,
    ) -> None:
        self.calls, self.refused, self.latest = 0, 0, 0.0
        self._clock, self._born_with, self._rate = clock, born_with, rate
        self._devices: dict[tuple[str, str], str] = {}
        self._granted: dict[int, int] = {}

    def __len__(self) -> int:
        """How many devices the Application Server got, which is the last to know one."""
        return sum(1 for server, _ in self._devices if server == "as/")

    def connect(self, remaining_seconds: Callable[[], float], patience: float) -> ThingsStack:
        """The product's client for one invocation."""
        transport = Transport(
            cluster_address="https://eu1.cloud.thethings.example",
            identity_server_address="https://eu1.cloud.thethings.example",
            api_key=lambda _refresh: "NNSXS.KEY",
            remaining_seconds=remaining_seconds,
            patience=patience,
            now=self._clock,
            sleep=self._clock.sleep,
        )
        transport.session = self  # type: ignore[assignment]
        return ThingsStack(APPLICATION, transport)

    def request(self, method: str, url: str, *, json: Any = None, **_: Any) -> Answer:
        """Answer a request, as `requests.Session` does."""
        self._clock.sleep(SECONDS)
        self.calls += 1
        second = int(self._clock.at)
        granted = self._granted.get(second, 0)
        if granted >= self._rate:
            self.refused += 1
            details = [{"namespace": "pkg/ratelimit", "name": "rate_limit_exceeded", "message_format": "too many"}]
            return Answer(429, {"code": 8, "message": "too many", "details": details}, {"X-Rate-Limit-Retry": "1"})
        self._granted[second] = granted + 1
        found = _PATH.fullmatch(url)
        if found is None:
            raise requests.ConnectionError(url)
        if found["search"]:
            return Answer(200, {"end_devices": []})
        return self._answer(method, found["server"] or "", found["id"], json)

    def _answer(self, method: str, server: str, device_id: str, body: Any) -> Answer:
        if method == "GET":
            device = self._device(server, device_id)
            return Answer(404, _NOT_FOUND) if device is None else Answer(200, device)
        device_id = device_id or body["end_device"]["ids"]["device_id"]
        written = {**(self._device(server, device_id) or {}), **body["end_device"]}
        self._devices[server, device_id] = json.dumps(written)
        self.latest = max(self.latest, self._clock.at)
        return Answer(200, written)

    def _device(self, server: str, device_id: str) -> dict[str, Any] | None:
        stored = self._devices.get((server, device_id))
        return dict(json.loads(stored)) if stored else self._born_with(device_id)
