"""The downlink queues of all devices: push, list, downlink slots, acknowledgements, invalidation.

Queues are Class A: the head of the queue is sent after the device's next uplink (at once for Class C). Callers hold the
network's lock and pass `send` to publish. Frame counters are in `sessions`, payloads in `downlinks`.
Sources: the Stack's applicationserver.go and networkserver/downlink.go.
"""

from __future__ import annotations

import base64
from functools import partial

from local.things_stack.description import errors
from local.things_stack.description.errors import ApiError
from local.things_stack.description.proto3_json import Json, without_zero_values
from local.things_stack.network import downlinks
from local.things_stack.network.activations import Activations
from local.things_stack.network.application_up import Published
from local.things_stack.network.publisher import NO_ADDRESS, Send
from local.things_stack.network.sessions import Session, Sessions
from local.things_stack.servers import DeviceKey, Servers

TRANSMISSION_FAILED = ApiError(
    2, "pkg/networkserver:transmission", "downlink transmission failed with result `{result}`", {"result": "TX_FREQ"}
)

STATUS_EVERY = 200
"""Uplinks between two requests of a device's status, unless its settings have another number."""

_ONLY_QUEUED = ("confirmed_retry", "class_b_c")
"""What the Network Server leaves out of a downlink that it reports as sent."""


class DownlinkQueues:
    """The queues in the sessions of `activations`, and the transmission errors that were requested."""

    def __init__(self, servers: Servers, activations: Activations) -> None:
        self._servers, self._activations = servers, activations
        self._transmission_errors: dict[DeviceKey, list[ApiError]] = {}

    # As the Application Server offers them ----------------------------------------------------------------------------
    def push(self, device: DeviceKey, sent: list[Json], send: Send, *, replace: bool) -> None:
        """Adds to a device's queue or replaces it; publishes each downlink as `downlink_queued`, or as
        `downlink_failed` if the servers refuse them. ApiError as the Application Server answers."""
        if device not in self._servers.application.devices:
            raise errors.application_server_device_not_found(device)
        sessions = self._activations.sessions(device)
        skips = self.skips_crypto(device, sessions.newest)
        if skips and any("frm_payload" not in item for item in sent):
            raise downlinks.no_payload()  # the Stack would send it unencrypted, and the device could not decrypt it
        formatters = {} if skips else downlinks.formatters_of(self._servers.application, device)
        items = [downlinks.prepare(item, formatters, send.origins) for item in sent]
        try:
            downlinks.check_times(items)
            self._enqueue(device, sessions, items, replace=replace)
        except ApiError as error:
            details = error.error_details() | ({"details": error.details} if error.details else {})
            for item in items:
                send(device, "downlink_failed", {"downlink": item, "error": details}, NO_ADDRESS)
            raise
        for item in items:  # with session and counter only where the application chose them
            send(device, "downlink_queued", item, NO_ADDRESS)
        self._activations.record(device)
        if self._servers.network.devices[device].get("supports_class_c"):
            self.transmit(device, sessions, send)
            self._activations.record(device)

    def items(self, device: DeviceKey) -> list[Json]:
        """The queue of a device. ApiError: the Application Server does not know it."""
        if device not in self._servers.application.devices:
            raise errors.not_found()
        sessions = self._activations.sessions(device)
        if not sessions.all:
            return []
        session = sessions.all[0]
        items = [item for item in session.queue if item["session_key_id"] == session.key_id]
        return [without_zero_values(self._readable(device, session, item)) for item in items]

    def skips_crypto(self, device: DeviceKey, session: Session | None) -> bool:
        """`downlinks.skips_crypto` on this Application Server."""
        return downlinks.skips_crypto(self._servers.application, device, session)

    # As the network empties them --------------------------------------------------------------------------------------
    def transmit(self, device: DeviceKey, sessions: Sessions, send: Send, *, acknowledging: bool = False) -> None:
        """A downlink slot. Nothing is sent in a session that no uplink has confirmed. The network acknowledges a
        confirmed uplink (`acknowledging`) and sends MAC commands with the head of the queue, or with a downlink of its
        own, which uses a counter."""
        session = sessions.current
        if session is None:
            return
        if session.queue_is_stale():
            self.invalidate(device, session, send)
            return
        item = session.send_head()
        requests_status = self._requests_status(device, session)
        if item is None:
            if acknowledging or requests_status:
                self.send_own(device, session, send)
            return
        readable = self._readable(device, session, item)
        if failures := self._transmission_errors.get(device):
            session.unacknowledged = None
            send(device, "downlink_failed", {"downlink": readable, "error": failures.pop(0).error_details()})
            return
        self._activations.end_device(device).receive(
            session.dev_addr, item["f_port"], item["f_cnt"], base64.b64decode(item.get("frm_payload", "")),
            confirmed=item.get("confirmed", False),
        )  # fmt: skip
        sent = {name: value for name, value in readable.items() if name not in _ONLY_QUEUED}
        send(device, "downlink_sent", sent)

    def send_own(self, device: DeviceKey, session: Session, send: Send) -> Published | None:
        """The network sends a frame without a payload, for MAC commands or an acknowledgement. When that uses a counter
        of the queue, the queue is invalidated; what is then published is returned."""
        shared = session.send_mac_commands()
        assert session.last_n_f_cnt_down is not None
        self._activations.end_device(device).receive_own(session.dev_addr, session.last_n_f_cnt_down)
        return self.invalidate(device, session, send) if shared else None

    def settle_confirmed(self, device: DeviceKey, session: Session, ack: bool, send: Send) -> None:
        """The ACK bit of an uplink settles the confirmed downlink before it. After a nack the Application Server queues
        the downlink again, unless it skips payload crypto."""
        item, session.unacknowledged = session.unacknowledged, None
        if item is None:
            return
        readable = self._readable(device, session, item)
        if not ack and not self.skips_crypto(device, session):
            retry = item["confirmed_retry"]
            readable = readable | {"confirmed_retry": retry | {"attempt": retry["attempt"] + 1}}
            if downlinks.attempts_left(readable):
                self._enqueue(device, self._activations.sessions(device), [readable])
            else:
                error = downlinks.no_attempts_left(readable).error_details()
                send(device, "downlink_failed", {"downlink": readable, "error": error}, NO_ADDRESS)
        send(device, "downlink_ack" if ack else "downlink_nack", readable)

    def invalidate(self, device: DeviceKey, session: Session, send: Send) -> Published | None:
        """The network used counters of the queue. The Application Server numbers and encrypts the queue again; when it
        skips payload crypto, the queue is lost and published as `downlink_queue_invalidated`, which is returned."""
        content = session.evict()
        session.last_a_f_cnt_down = content["last_f_cnt_down"]
        published = None
        if self.skips_crypto(device, session):
            published = send(device, "downlink_queue_invalidated", content)
        elif content["downlinks"]:
            self.requeue(device, session, content["downlinks"])
        self._activations.record(device)
        return published

    def requeue(self, device: DeviceKey, session: Session, items: list[Json], *, except_key_id: str = "") -> None:
        """Numbers and encrypts again what was queued in `session`, for every session but that with `except_key_id`."""
        decrypted = [session.crypt(item) for item in items]
        self._enqueue(device, self._activations.sessions(device), decrypted, except_key_id=except_key_id)

    def fail_next(self, device: DeviceKey, error: ApiError) -> None:
        """The next downlink of the device is not sent but published as `downlink_failed` with `error`."""
        self._transmission_errors.setdefault(device, []).append(error)

    def _requests_status(self, device: DeviceKey, session: Session) -> bool:
        """Whether the network asks for the device's status (DevStatusReq) in this slot: after the first uplink of a
        session and then as often as the device's settings have it. With a downlink, the request is in its FOpts."""
        settings = self._servers.network.devices[device].get("mac_settings", {})
        every = settings.get("status_count_periodicity", STATUS_EVERY)
        if not every or session.last_f_cnt_up < session.next_status_f_cnt:
            return False
        session.next_status_f_cnt = session.last_f_cnt_up + every
        return True

    def _readable(self, device: DeviceKey, session: Session, item: Json) -> Json:
        return downlinks.readable(self._servers.application, device, session, item)

    def _enqueue(
        self, device: DeviceKey, sessions: Sessions, items: list[Json], *, replace: bool = False,
        except_key_id: str = "",
    ) -> None:  # fmt: skip
        skips = partial(downlinks.skips_crypto, self._servers.application, device)
        downlinks.enqueue(sessions, items, replace=replace, skips=skips, except_key_id=except_key_id)
