"""A cluster of The Things Stack in memory: servers, network and integrations, and what an operator sets up in it.

Operators use the Console; here the same is a method. The HTTP API acts on a cluster but is not part of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from local.things_stack import profiles
from local.things_stack.description.messages import EUI, IDENTIFIER, KEY, MAC_VERSION, PHY_VERSION
from local.things_stack.description.schema import Problem, Scalar, read
from local.things_stack.limits import Clock, DownlinkLimits, RememberedKeys
from local.things_stack.network.network import Network
from local.things_stack.providers.aws_access import AwsAccess
from local.things_stack.providers.integrations import Integrations
from local.things_stack.servers import Claimable, Servers

HOST = "127.0.0.1"
"""The address of every server, as devices record it."""


class Cluster:
    """Servers, network, integrations and application packages of a deployment with `profile`. `lock` guards the records
    of the servers."""

    def __init__(self, aws: AwsAccess | None = None, profile: str = profiles.DEFAULT) -> None:
        self.lock = threading.RLock()
        self.servers = Servers()
        self.clock = Clock()
        self.remembered_keys = RememberedKeys(self.clock)
        self.profile = profiles.PROFILES[profile]
        self.downlink_limits = DownlinkLimits(self.clock, self.profile.limits_downlinks_by_application)
        self.packages = self.profile.packages
        self.integrations = Integrations(aws, self._push, has_aws_iot=self.profile.has_aws_iot)
        self.network = Network(self.servers, self.lock, self.integrations.deliver, self.profile)

    def create_application(self, application_id: str) -> None:
        """Idempotent. ValueError: not an application id."""
        with self.lock:
            self.servers.identity.create_application(application_id)

    def set_application_addresses(
        self, application_id: str, *, network_server_address: str = "", application_server_address: str = "",
        join_server_address: str = "",
    ) -> None:  # fmt: skip
        """Binds an application to servers: devices with other addresses are refused. "": to none."""
        addresses = {"network_server_address": network_server_address, "join_server_address": join_server_address,
                     "application_server_address": application_server_address}  # fmt: skip
        with self.lock:
            bound = {name: address for name, address in addresses.items() if address}
            self.servers.identity.applications[application_id] = bound

    def create_api_key(self, application_id: str, rights: Iterable[str] | None = None) -> str:
        """The token of a new key, `NNSXS.…`. `rights` None: the eight that the integration's documentation requires."""
        with self.lock:
            return self.servers.identity.create_api_key(application_id, None if rights is None else tuple(rights)).token

    def create_user_api_key(self, user_id: str) -> str:
        """The token of a new key of a user, with all rights. Users own every application."""
        with self.lock:
            return self.servers.identity.create_user_api_key(_checked(user_id, IDENTIFIER)).token

    def delete_api_key(self, token: str) -> None:
        """Makes a key invalid, as after a rotation. The Network, Application and Join Server may remember it for two
        minutes: see `advance`."""
        with self.lock:
            del self.servers.identity.api_keys[token.split(".")[1]]

    def advance(self, seconds: float) -> None:
        """Lets time pass for what the servers remember and limit."""
        self.clock.advance(seconds)

    def limit_downlinks(self, per_minute: int | None) -> None:
        """Limits the downlink requests a minute; None: no limit."""
        self.downlink_limits.per_minute = per_minute

    def register_device(
        self, application_id: str, *, device_id: str, dev_eui: str, join_eui: str = "0000000000000000",
        app_key: str = "01" * 16, nwk_key: str | None = None, lorawan_version: str = "MAC_V1_0_3",
        lorawan_phy_version: str = "PHY_V1_0_3_REV_A", frequency_plan_id: str = "EU_863_870_TTN",
        supports_class_c: bool = False, formatters: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Registers an OTAA device on all four servers, as the Console does. ValueError: an invalid value."""
        ids = {"device_id": _checked(device_id, IDENTIFIER), "application_ids": {"application_id": application_id},
               "dev_eui": _checked(dev_eui, EUI), "join_eui": _checked(join_eui, EUI)}  # fmt: skip
        keys = {"app_key": {"key": _checked(app_key, KEY)}}
        if nwk_key:
            keys["nwk_key"] = {"key": _checked(nwk_key, KEY)}
        addresses = {f"{server}_server_address": HOST for server in ("network", "application", "join")}
        network = {"lorawan_version": _checked(lorawan_version, MAC_VERSION), "supports_join": True,
                   "lorawan_phy_version": _checked(lorawan_phy_version, PHY_VERSION),
                   "frequency_plan_id": frequency_plan_id,
                   **({"supports_class_c": True} if supports_class_c else {})}  # fmt: skip
        device = application_id, device_id
        with self.lock:
            if application_id not in self.servers.identity.applications:
                raise ValueError(f"application {application_id!r} does not exist")
            if device in self.servers.identity.devices:
                raise ValueError(f"device {device_id!r} already exists in {application_id!r}")
            self.servers.identity.devices[device] = {"ids": dict(ids), **addresses}
            self.servers.join.devices[device] = {"ids": dict(ids), "root_keys": keys}
            self.servers.network.devices[device] = {"ids": dict(ids), **network}
            self.servers.application.devices[device] = {
                "ids": dict(ids), **({"formatters": formatters} if formatters else {}),
            }  # fmt: skip

    def claimable(self, *, join_eui: str, dev_eui: str, authentication_code: str, app_key: str = "01" * 16) -> None:
        """Adds a device on a Join Server outside the cluster that can be claimed with `authentication_code`."""
        device = Claimable(_checked(join_eui, EUI), _checked(dev_eui, EUI), authentication_code, _checked(app_key, KEY))
        with self.lock:
            self.servers.claiming.devices[device.join_eui, device.dev_eui] = device

    def _push(self, application_id: str, device_id: str, downlinks: list[dict[str, Any]], replace: bool) -> None:
        self.network.push(application_id, device_id, downlinks, replace=replace)


def _checked(value: str, expected: Scalar) -> Any:
    problems: list[Problem] = []
    result = read(value, expected, "value", problems)
    if problems:
        raise ValueError(f"{value!r} {problems[0].reason}")
    return result
