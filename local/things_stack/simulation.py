"""A simulated Things Stack, assembled: a cluster, its API, the control API, and the addresses they listen on."""

from __future__ import annotations

from local.things_stack import profiles
from local.things_stack.api.faults import Faults
from local.things_stack.api.http import ALL_SERVERS, Api
from local.things_stack.api.listener import Listener
from local.things_stack.api.request_log import RequestLog
from local.things_stack.cluster import HOST, Cluster
from local.things_stack.control.server import ControlApi, functions
from local.things_stack.network.gateway_server import GatewayServer
from local.things_stack.providers.aws_access import AwsAccess


class ThingsStack(Cluster):
    """One deployment on this machine. State is in memory; threads end with `stop`.

    With `identity_port` (0: a free one) the Identity Server listens only on an address of its own, as eu1 does for the
    other clusters; without it, one address serves everything, as on an Enterprise host. `profile`: see `profiles`.
    Gateways connect to `gateway_port` (UDP; 0: a free one).
    """

    def __init__(
        self, port: int = 0, *, aws: AwsAccess | None = None, identity_port: int | None = None,
        profile: str = profiles.DEFAULT, gateway_port: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(aws, profile)
        self.faults, self.log = Faults(), RequestLog()
        self.requests, self.violations = self.log.requests, self.log.violations
        cluster = ALL_SERVERS if identity_port is None else ALL_SERVERS - {"IS"}
        self._listeners = [self._listen(port, "cluster", cluster)]
        if identity_port is not None:
            self._listeners.append(self._listen(identity_port, "identity", frozenset({"IS"})))

        self.gateway_server = GatewayServer(HOST, gateway_port, self.servers, self.lock, self.network)

    def start(self) -> ThingsStack:
        self.gateway_server.start()
        for listener in self._listeners:
            listener.start()
        return self

    def stop(self) -> None:
        self.gateway_server.stop()
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
        """host:port of the Identity Server: the cluster's, unless it has its own."""
        return self._listeners[-1].address

    @property
    def identity_url(self) -> str:
        return f"http://{self.identity_address}"

    def assert_no_violations(self) -> None:
        """AssertionError that lists every request that violated the description."""
        lines = [f"{v.method} {v.path}: {v.kind}: {v.where} {v.reason}" for v in self.violations]
        assert not lines, "\n".join(lines)

    def _listen(self, port: int, name: str, servers: frozenset[str]) -> Listener:
        api = Api(self, self.faults, self.log, name, servers)
        return Listener(port, ControlApi(api, functions(self, self.faults, self.log), self._addresses))

    def _addresses(self) -> dict[str, str]:
        return {"address": self.address, "identity_address": self.identity_address}
