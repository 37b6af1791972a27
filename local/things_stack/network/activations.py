"""Which devices have joined: the state inside the device, its sessions on the network, and both servers' records."""

from __future__ import annotations

from local.things_stack.description.proto3_json import Json, without_zero_values
from local.things_stack.network.dropped import Dropped
from local.things_stack.network.end_device import EndDevice
from local.things_stack.network.sessions import Session, Sessions
from local.things_stack.servers import DeviceKey, Servers


class Activations:
    """End devices and sessions. A device that was deleted loses its sessions; what it received is kept."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._end_devices: dict[DeviceKey, EndDevice] = {}
        self._sessions: dict[DeviceKey, Sessions] = {}

    def end_device(self, device: DeviceKey) -> EndDevice:
        """The device itself; an empty one when it has never joined."""
        return self._end_devices.get(device, EndDevice())

    def replace_end_device(self, device: DeviceKey, end_device: EndDevice) -> None:
        """From now on, this is the device itself."""
        self._end_devices[device] = end_device

    def addressed(self, dev_addr: str) -> list[tuple[DeviceKey, Session]]:
        """The sessions with a DevAddr, of all devices: the address alone does not identify a device."""
        return [
            (device, session) for device, sessions in self._sessions.items() for session in sessions.all
            if session.dev_addr == dev_addr
        ]  # fmt: skip

    def sessions(self, device: DeviceKey) -> Sessions:
        """The sessions of a device; empty when it has not joined."""
        return self._sessions.get(device, Sessions())

    def joined(self, device: DeviceKey) -> Sessions:
        """The sessions of a device that has joined. Dropped: it has not, or a server does not know it."""
        for server, name in ((self._servers.network, "Network"), (self._servers.application, "Application")):
            if device not in server.devices:
                raise _drop(device, f"the {name} Server does not know the device")
        if device not in self._sessions:
            raise _drop(device, "the device has not joined")
        return self._sessions[device]

    def begin(self, device: DeviceKey, session: Session, app_s_key: bytes, *, accepted: bool = True) -> Session | None:
        """Starts a session, which is pending until the first uplink. Returns the session before it, if any. Not
        `accepted`: the device did not receive the join-accept and keeps its session."""
        end_device = self._end_devices.setdefault(device, EndDevice())
        if accepted:
            end_device.join(app_s_key, session.dev_addr)
        sessions = self._sessions.setdefault(device, Sessions())
        previous = sessions.current or sessions.pending
        sessions.pending, sessions.lost = session, None
        return previous

    def end(self, device: DeviceKey) -> None:
        """Ends all sessions of a device that a server deleted."""
        self._sessions.pop(device, None)

    def record(self, device: DeviceKey) -> None:
        """Writes the sessions to the device's records on the Network and the Application Server."""
        sessions = self._sessions[device]
        for server in (self._servers.network, self._servers.application):
            record = server.devices[device]
            if sessions.current is not None:
                record["ids"] = record["ids"] | {"dev_addr": sessions.current.dev_addr}
            pending = sessions.pending
            if server is self._servers.application:
                pending = pending or sessions.lost
            for name, session in (("session", sessions.current), ("pending_session", pending)):
                if session is None:
                    record.pop(name, None)
                elif server is self._servers.application:
                    record[name] = _on_application_server(session)
                else:
                    record[name] = _on_network_server(session)


def _drop(device: DeviceKey, reason: str) -> Dropped:
    return Dropped(f"uplink of {device[1]} in {device[0]} dropped: {reason}")


def _on_application_server(session: Session) -> Json:
    keys = {"session_key_id": session.key_id, "app_s_key": session.envelope}
    return without_zero_values({
        "dev_addr": session.dev_addr, "keys": keys, "started_at": session.started_at,
        "last_a_f_cnt_down": session.last_a_f_cnt_down,
    })  # fmt: skip


def _on_network_server(session: Session) -> Json:
    return without_zero_values({
        "dev_addr": session.dev_addr, "keys": {"session_key_id": session.key_id}, "started_at": session.started_at,
        "last_f_cnt_up": session.last_f_cnt_up, "last_n_f_cnt_down": session.last_n_f_cnt_down or 0,
    })  # fmt: skip
