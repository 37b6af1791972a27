"""The Things Stack under contract: here the simulation (`open-source`), played once from start to end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from local.things_stack import ThingsStack
from local.things_stack.description.rights import DOCUMENTED_RIGHTS
from tests.contract.exchanges import Exchange, facts_of, recorded

APPLICATION, OTHER = "my-app", "other-app"
UNKNOWN_KEY = f"NNSXS.{'A' * 39}.{'B' * 52}"


class Simulated:
    """The simulation with two applications, and the keys that the exchanges name."""

    def __init__(self, simulation: ThingsStack) -> None:
        self._simulation = simulation
        self._session = requests.Session()
        self._session.trust_env = False
        for application in (APPLICATION, OTHER):
            simulation.create_application(application)
        self._owner = simulation.create_api_key(APPLICATION)
        self._other = simulation.create_api_key(OTHER)

    def play(self, exchange: Exchange) -> requests.Response:
        """Arranges what is `given`, and sends the request."""
        given = exchange.get("given", {})
        self._simulation.set_application_addresses(APPLICATION, **given.get("application", {}))
        if "joined" in given:
            self._joined(given["joined"], given.get("encoder"))
        path = _named(exchange["path"])
        key = self._other if path.startswith(f"/applications/{OTHER}/") else self._key(exchange.get("key"))
        return self._session.request(
            exchange["method"],
            f"{self._simulation.url}/api/v3{path}",
            params=exchange.get("query"),
            data=_named(json.dumps(exchange["body"])) if "body" in exchange else None,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            timeout=10,
        )

    def _key(self, name: str | Mapping[str, Any] | None) -> str:
        if isinstance(name, Mapping):
            rights = [right for right in DOCUMENTED_RIGHTS if right not in name["without"]]
            return self._simulation.create_api_key(APPLICATION, rights)
        return {None: self._owner, "other": self._other, "empty": "", "unknown": UNKNOWN_KEY}[name]

    def _joined(self, device_id: str, encoder: str | None) -> None:
        """The device, new on all servers, after its first uplink; with a downlink encoder if one is given."""
        device = APPLICATION, device_id
        servers = self._simulation.servers
        for server in (servers.identity, servers.network, servers.application, servers.join):
            server.devices.pop(device, None)
        formatters = {"down_formatter": "FORMATTER_JAVASCRIPT", "down_formatter_parameter": encoder}
        self._simulation.register_device(
            APPLICATION, device_id=device_id, dev_eui="70B3D57ED00000D1", formatters=formatters if encoder else None
        )
        self._simulation.network.join(*device)
        self._simulation.network.uplink(*device, f_port=1, frm_payload=b"\x01")


def _named(text: str) -> str:
    return text.replace("{app}", APPLICATION).replace("{other}", OTHER)


@pytest.fixture(scope="session")
def answers() -> dict[str, dict[str, Any]]:
    """The facts of every answer by the name of its exchange. The requests depend on each other, so all are played."""
    with ThingsStack() as simulation:
        subject = Simulated(simulation)
        return {exchange["name"]: facts_of(subject.play(exchange)) for exchange in recorded()}
