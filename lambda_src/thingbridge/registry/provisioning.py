"""How an end device comes into being on The Things Stack: one step for each server, in the order that can be undone.

Order: IS → JS → NS → AS; deletion goes backwards, so the Identity Server, which owns the ids, knows the device
first and forgets it last (The Things Stack, "Adding devices manually", and its command-line tool).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from thingbridge.lorawan import versions
from thingbridge.registry.attributes import NewDevice


class Server(StrEnum):
    """The servers of The Things Stack that know end devices, by the names users see in its documentation."""

    IDENTITY = "Identity Server"
    JOIN = "Join Server"
    NETWORK = "Network Server"
    APPLICATION = "Application Server"


CREATION_ORDER = (Server.IDENTITY, Server.JOIN, Server.NETWORK, Server.APPLICATION)
DELETION_ORDER = tuple(reversed(CREATION_ORDER))


@dataclass(frozen=True)
class Step:
    """What one server is told: the `EndDevice` object and its field mask (the Identity Server creates without)."""

    server: Server
    end_device: Mapping[str, Any]
    paths: tuple[str, ...]


def creation_steps(device: NewDevice, application_id: str, cluster_host: str) -> tuple[Step, ...]:
    """The four steps, in order. `cluster_host`: bare host name of the servers of the device's cluster."""
    ids = {
        "device_id": device.device_id,
        "dev_eui": device.dev_eui,
        "join_eui": device.join_eui,
        "application_ids": {"application_id": application_id},
    }
    identifiers = ("ids.device_id", "ids.dev_eui", "ids.join_eui")
    addresses = {f"{name}_server_address": cluster_host for name in ("network", "application", "join")}
    root_keys = {"app_key": {"key": device.app_key}}
    # A 1.0.x device with a NwkKey would derive its session from that instead of the AppKey.
    if device.nwk_key and versions.has_network_key(device.mac_version):
        root_keys["nwk_key"] = {"key": device.nwk_key}
    network = {
        "supports_join": True,
        "lorawan_version": device.mac_version,
        "lorawan_phy_version": device.phy_version,
        "frequency_plan_id": device.frequency_plan_id,
    }
    return (
        Step(Server.IDENTITY, {"ids": ids, **addresses}, ()),
        Step(
            Server.JOIN,
            {
                "ids": ids,
                "network_server_address": cluster_host,
                "application_server_address": cluster_host,
                "root_keys": root_keys,
            },
            (
                *identifiers,
                "network_server_address",
                "application_server_address",
                *(f"root_keys.{key}.key" for key in root_keys),
            ),
        ),
        Step(Server.NETWORK, {"ids": ids, **network}, (*identifiers, *network)),
        Step(Server.APPLICATION, {"ids": ids}, identifiers),
    )
