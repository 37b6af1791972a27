"""A simulated Things Stack, put together: servers, network, integrations, faults, and the addresses it listens on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from werkzeug.wrappers import Request, Response

from local.things_stack import control_api, packages
from local.things_stack.aws_access import AwsAccess
from local.things_stack.description import EUI, IDENTIFIER, KEY, MAC_VERSION, PHY_VERSION
from local.things_stack.faults import Faults
from local.things_stack.http_api import ALL_SERVERS, Api, Received, Violation
from local.things_stack.integrations import Integrations
from local.things_stack.listener import HOST, Listener
from local.things_stack.network import Network
from local.things_stack.schema import Problem, Scalar, read
from local.things_stack.servers import Claimable, Servers


class ThingsStack:
    """One deployment on this machine. State is in memory; threads end with `stop`.

    With `identity_port` (0: any) the Identity Server listens on an address of its own and nowhere else, as eu1 does for
    the other clusters; without, one address serves everything, as an Enterprise host does.
    """

    def __init__(self, port: int = 0, *, aws: AwsAccess | None = None, identity_port: int | None = None) -> None:
        self.lock = threading.RLock()
        self.servers = Servers()
        self.faults = Faults()
        self.requests: deque[Received] = deque(maxlen=100_000)
        self.violations: list[Violation] = []
        self.packages = packages.HOSTED
        self.aws = aws
        self.integrations = Integrations(aws, self._push)
        self.network = Network(self.servers, self.lock, self.integrations.deliver)
        cluster = ALL_SERVERS if identity_port is None else ALL_SERVERS - {"IS"}
        self._listeners = [Listener(port, Api(self, "cluster", cluster))]
        if identity_port is not None:
            self._listeners.append(Listener(identity_port, Api(self, "identity", frozenset({"IS"}))))

    # Life ------------------------------------------------------------------------------------------------------------
    def start(self) -> ThingsStack:
        for listener in self._listeners:
            listener.start()
        return self

    def stop(self) -> None:
        self.integrations.stop_all()
        for listener in self._listeners:
            listener.stop()

    def __enter__(self) -> ThingsStack:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """host:port of the cluster."""
        return self._listeners[0].address

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def identity_address(self) -> str:
        """host:port of the Identity Server; the cluster's unless it has its own."""
        return self._listeners[-1].address

    @property
    def identity_url(self) -> str:
        return f"http://{self.identity_address}"

    def _push(self, application_id: str, device_id: str, downlinks: list[dict[str, Any]], replace: bool) -> None:
        self.network.push(application_id, device_id, downlinks, replace=replace)

    def control(self, request: Request) -> Response:
        return control_api.answer(self, request)

    # What the Console would do ---------------------------------------------------------------------------------------
    def create_application(self, application_id: str) -> None:
        """Repeatable. ValueError when it is no application id."""
        with self.lock:
            self.servers.identity.create_application(application_id)

    def create_api_key(self, application_id: str, rights: Iterable[str] | None = None) -> str:
        """The token of a new key, `NNSXS.…`. `rights` None: the eight the integration's documentation asks for."""
        with self.lock:
            return self.servers.identity.create_api_key(application_id, None if rights is None else tuple(rights)).token

    def delete_api_key(self, token: str) -> None:
        """The key ends to be valid, as after a rotation."""
        with self.lock:
            del self.servers.identity.api_keys[token.split(".")[1]]

    def register_device(
        self, application_id: str, *, device_id: str, dev_eui: str, join_eui: str = "0000000000000000",
        app_key: str = "01" * 16, nwk_key: str | None = None, lorawan_version: str = "MAC_V1_0_3",
        lorawan_phy_version: str = "PHY_V1_0_3_REV_A", frequency_plan_id: str = "EU_863_870_TTN",
        supports_class_c: bool = False, formatters: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """An OTAA device on all four servers, as the Console makes it. ValueError for what the Console would refuse."""
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
        at = application_id, device_id
        with self.lock:
            if application_id not in self.servers.identity.applications:
                raise ValueError(f"there is no application {application_id!r}")
            if at in self.servers.identity.devices:
                raise ValueError(f"{device_id!r} is taken in {application_id!r}")
            self.servers.identity.devices[at] = {"ids": dict(ids), **addresses}
            self.servers.join.devices[at] = {"ids": dict(ids), "root_keys": keys}
            self.servers.network.devices[at] = {"ids": dict(ids), **network}
            extras = {"formatters": formatters} if formatters else {}
            self.servers.application.devices[at] = {"ids": dict(ids), **extras}

    def claimable(self, *, join_eui: str, dev_eui: str, authentication_code: str, app_key: str = "01" * 16) -> None:
        """A device on a Join Server outside the cluster that can be claimed with `authentication_code`."""
        device = Claimable(_checked(join_eui, EUI), _checked(dev_eui, EUI), authentication_code, _checked(app_key, KEY))
        with self.lock:
            self.servers.claiming.devices[device.join_eui, device.dev_eui] = device

    def assert_no_violations(self) -> None:
        """AssertionError that lists every request that broke the description."""
        lines = [f"{v.method} {v.path}: {v.kind}: {v.where} {v.reason}" for v in self.violations]
        assert not lines, "\n".join(lines)


def _checked(value: str, expected: Scalar) -> Any:
    problems: list[Problem] = []
    result = read(value, expected, "value", problems)
    if problems:
        raise ValueError(f"{value!r} {problems[0].reason}")
    return result
