"""Controls a simulation in another process: the client of `server`, with the method names of `ThingsStack`.

Results are plain JSON values (a `Published` is a dict with `message`, `topic`, `published_at` …).
"""

from __future__ import annotations

from typing import Any

import requests

from local.things_stack.control.encoding import decoded, encoded
from local.things_stack.description.proto3_json import Json
from local.things_stack.network.dropped import Dropped


class ControlError(Exception):
    """The simulation rejected the call; the text is its reason."""


class _Caller:
    def __init__(self, url: str, prefix: str = "") -> None:
        self._url, self._prefix = url.rstrip("/"), prefix

    def _call(self, name: str, **arguments: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{self._url}/simulation/{self._prefix}{name}", json=encoded(arguments), timeout=60)
        content = answer.json()
        if answer.status_code == 200:
            return decoded(content["result"])
        raise {"Dropped": Dropped, "ValueError": ValueError}.get(content["error"], ControlError)(content["message"])


class Network(_Caller):
    """`ThingsStack.network` of the other process."""

    def join(self, application_id: str, device_id: str, **options: Any) -> Json:
        return self._json("join", application_id=application_id, device_id=device_id, **options)

    def uplink(self, application_id: str, device_id: str, **options: Any) -> Json:
        return self._json("uplink", application_id=application_id, device_id=device_id, **options)

    def simulate_uplink(self, application_id: str, device_id: str, **options: Any) -> Json:
        return self._json("simulate_uplink", application_id=application_id, device_id=device_id, **options)

    def received(self, application_id: str, device_id: str) -> list[Json]:
        return list(self._call("received", application_id=application_id, device_id=device_id))

    def session(self, application_id: str, device_id: str) -> Json:
        return self._json("session", application_id=application_id, device_id=device_id)

    def set_frame_counters(self, application_id: str, device_id: str, **counters: int) -> None:
        self._call("set_frame_counters", application_id=application_id, device_id=device_id, **counters)

    def queue(self, application_id: str, device_id: str) -> list[Json]:
        return list(self._call("queue", application_id=application_id, device_id=device_id))

    def location_solved(self, application_id: str, device_id: str, **options: Any) -> Json:
        return self._json("location_solved", application_id=application_id, device_id=device_id, **options)

    def service_data(self, application_id: str, device_id: str, **options: Any) -> Json:
        return self._json("service_data", application_id=application_id, device_id=device_id, **options)

    def publish_raw(self, application_id: str, topic: str, body: bytes) -> Json:
        return self._json("publish_raw", application_id=application_id, topic=topic, body=body)

    def invalidate_queue(self, application_id: str, device_id: str) -> Json | None:
        result: Json | None = self._call("invalidate_queue", application_id=application_id, device_id=device_id)
        return result

    def fail_next_downlink(self, application_id: str, device_id: str) -> None:
        self._call("fail_next_downlink", application_id=application_id, device_id=device_id)

    @property
    def published(self) -> list[Json]:
        return list(self._call("published"))

    def _json(self, name: str, **arguments: Any) -> Json:
        return dict(self._call(name, **arguments))


class Faults(_Caller):
    """`ThingsStack.faults` of the other process."""

    def add(self, **options: Any) -> None:
        self._call("add", **options)

    def clear(self) -> None:
        self._call("clear")


class Integrations(_Caller):
    """`ThingsStack.integrations` of the other process."""

    def all(self) -> dict[str, Json]:
        return dict(self._call("all"))

    def wait(self, application_id: str, id_: str, *, until: str | None = None, timeout: float = 10) -> Json:
        return dict(self._call("wait", application_id=application_id, id_=id_, until=until, timeout=timeout))


class Control(_Caller):
    """A running simulation at `url` (http://127.0.0.1:PORT). Raises Dropped and ValueError as the simulation does, and
    ControlError for its other exceptions; requests.ConnectionError when nothing listens there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.network = Network(url, "network/")
        self.faults = Faults(url, "faults/")
        self.integrations = Integrations(url, "integrations/")

    def health(self) -> Json:
        """`address` and `identity_address` (host:port) of the simulation."""
        with requests.Session() as session:
            session.trust_env = False
            return dict(session.get(f"{self._url}/simulation/health", timeout=5).json()["result"])

    def create_application(self, application_id: str) -> None:
        self._call("create_application", application_id=application_id)

    def set_application_addresses(self, application_id: str, **addresses: str) -> None:
        self._call("set_application_addresses", application_id=application_id, **addresses)

    def create_api_key(self, application_id: str, rights: list[str] | None = None) -> str:
        return str(self._call("create_api_key", application_id=application_id, rights=rights))

    def create_user_api_key(self, user_id: str) -> str:
        return str(self._call("create_user_api_key", user_id=user_id))

    def delete_api_key(self, token: str) -> None:
        self._call("delete_api_key", token=token)

    def advance(self, seconds: float) -> None:
        self._call("advance", seconds=seconds)

    def limit_downlinks(self, per_minute: int | None) -> None:
        self._call("limit_downlinks", per_minute=per_minute)

    def register_device(self, application_id: str, **options: Any) -> None:
        self._call("register_device", application_id=application_id, **options)

    def claimable(self, **options: Any) -> None:
        self._call("claimable", **options)

    @property
    def requests(self) -> list[Json]:
        return list(self._call("requests"))

    @property
    def violations(self) -> list[Json]:
        return list(self._call("violations"))

    @property
    def servers(self) -> Json:
        """The servers' state; devices are keyed `<application id>/<device id>`."""
        return dict(self._call("servers"))
