"""The LoRaWAN network: devices join and send, services publish, and downlink queues are read and written.

A device exists here as soon as the four servers know it. How a published message reaches an application is decided in
`providers`. Sources: LoRaWAN 1.0.3 and 1.1; the Stack's applicationserver.go, joinserver.go and
networkserver/grpc_asns.go.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from local.things_stack.description.errors import ApiError
from local.things_stack.description.proto3_json import Json, base64_of, rfc3339
from local.things_stack.network import downlinks, join_server, lorawan, payload_formatters, reception
from local.things_stack.network.activations import Activations
from local.things_stack.network.application_up import RECEIVED, TO_APPLICATION, Published
from local.things_stack.network.downlink_queues import STATUS_EVERY, TRANSMISSION_FAILED, DownlinkQueues
from local.things_stack.network.dropped import Dropped
from local.things_stack.network.end_device import LAST_F_CNT
from local.things_stack.network.metadata import Metadata
from local.things_stack.network.publisher import NO_ADDRESS, Publisher
from local.things_stack.network.sessions import Session, Sessions
from local.things_stack.profiles import Profile
from local.things_stack.servers import DeviceKey, Servers

_FROM_AIR = (*RECEIVED, TO_APPLICATION)
_APPLICATION_SERVER = "rpc:/ttn.lorawan.v3.AppAs/"


class Network:
    """One network with NetID `net_id`. `published` holds every message that was published, oldest first."""

    def __init__(
        self, servers: Servers, lock: threading.RLock, deliver: Callable[[Published], None], profile: Profile, *,
        net_id: str = "000013",
    ) -> None:  # fmt: skip
        self.net_id = net_id
        self._servers, self._lock = servers, lock
        self._activations = Activations(servers)
        metadata = Metadata(servers, self._activations, profile, net_id)
        self._publisher = Publisher(servers, lock, deliver, metadata.of)
        self.published = self._publisher.published
        self._queues = DownlinkQueues(servers, self._activations)
        self._nonces: dict[DeviceKey, int] = {}

    @property
    def activations(self) -> Activations:
        """End devices and sessions, for the air interface."""
        return self._activations

    # Devices ----------------------------------------------------------------------------------------------------------
    def join(
        self, application_id: str, device_id: str, *, app_key: str | None = None, accepted: bool = True,
        dev_nonce: int | None = None,
    ) -> Published:  # fmt: skip
        """The device joins over the air; returns the published `join_accept`. `app_key` (32 hex digits) is the root key
        in the device, when it differs from the one on the Join Server. Not `accepted`: the device does not receive the
        join-accept and keeps the session it has. `dev_nonce` None: the next one. Dropped: a server lacks something."""
        device = application_id, device_id
        with self._publisher.transaction(*_FROM_AIR) as send:
            root_key, version = join_server.root_key(self._servers, device)
            if app_key is not None and bytes.fromhex(app_key) != root_key:
                raise Dropped(f"join-request of {device_id} dropped: its MIC does not match the Join Server's root key")
            session, app_s_key = self._new_session(device, root_key, version, dev_nonce)
            previous = self._activations.begin(device, session, app_s_key, accepted=accepted)
            if previous and previous.next_status_f_cnt:
                session.next_status_f_cnt = STATUS_EVERY
            invalidated = list(previous.queue) if previous else []
            accept: Json = {"session_key_id": session.key_id, "received_at": session.started_at}
            if self._queues.skips_crypto(device, session):
                accept |= {"app_s_key": session.envelope, "invalidated_downlinks": invalidated}
            elif previous and invalidated:
                self._queues.requeue(device, previous, invalidated, except_key_id=previous.key_id)
            self._activations.record(device)
            return send(device, "join_accept", accept, session.dev_addr)

    def uplink(
        self, application_id: str, device_id: str, *, f_port: int | None = None, frm_payload: bytes = b"",
        decoded_payload: Json | None = None, confirmed: bool = False, ack: bool = True, gateways: int = 1,
        packet_broker: bool = False, rssi: float = -71, snr: float = 8.5, rx_metadata: list[Json] | None = None,
        settings: Json | None = None, battery: float | None = None,
    ) -> Published:  # fmt: skip
        """The device encrypts and sends; returns the published `uplink_message`. Without `f_port` the uplink carries
        MAC commands only. `decoded_payload` replaces the output of a payload formatter. `ack`: whether the uplink
        acknowledges the confirmed downlink before it. `rx_metadata` and the radio `settings` replace those of the
        simulated gateways. `battery`: percent that the device reports in this uplink (DevStatusAns). Afterwards the
        head of the downlink queue is sent. Dropped: no session, or a server does not know the device."""
        device = application_id, device_id
        if frm_payload and not f_port:
            raise ValueError("a payload needs an FPort from 1 to 255")
        with self._publisher.transaction(*_FROM_AIR) as send:
            sessions, now = self._activations.joined(device), time.time_ns()
            session, ciphertext = self._transmit(device, sessions, frm_payload)
            identity = self._servers.identity.devices.get(device, {})
            identity.setdefault("activated_at", rfc3339(now))
            self._activations.record(device)
            self._queues.settle_confirmed(device, session, ack, send)
            if rx_metadata is None:
                rx_metadata = reception.rx_metadata(
                    gateways, rssi=rssi, snr=snr, packet_broker=packet_broker, received_at=now
                )
            uplink: Json = {
                "session_key_id": session.key_id, "f_port": f_port, "f_cnt": session.last_f_cnt_up,
                **self._payload(device, session, f_port, ciphertext, decoded_payload),
                "rx_metadata": rx_metadata, "settings": settings or reception.tx_settings(now),
                "received_at": rfc3339(now),
                "confirmed": confirmed, "consumed_airtime": reception.airtime(len(ciphertext)),
            }  # fmt: skip
            if battery is not None:
                report = {"f_cnt": session.last_f_cnt_up, "value": battery, "received_at": rfc3339(now)}
                self._activations.end_device(device).battery = report
            if self._queues.skips_crypto(device, session):
                uplink |= {"app_s_key": session.envelope, "last_a_f_cnt_down": session.last_a_f_cnt_down}
            identity["last_seen_at"] = rfc3339(now)
            published = send(device, "uplink_message", uplink)
            self._queues.transmit(device, sessions, send, acknowledging=confirmed)
            self._activations.record(device)
            return published

    def simulate_uplink(self, application_id: str, device_id: str, *, f_port: int, frm_payload: bytes) -> Published:
        """A person simulates an uplink in the Console: nothing is sent, and no session is needed. Dropped: the
        Application Server does not know the device."""
        device = application_id, device_id
        with self._publisher.transaction("as:up", f"{_APPLICATION_SERVER}SimulateUplink") as send:
            if device not in self._servers.application.devices:
                raise Dropped(f"{device_id} is not on the Application Server")
            formatters = downlinks.formatters_of(self._servers.application, device)
            uplink = {
                "f_port": f_port, "frm_payload": base64_of(frm_payload), **reception.SIMULATED,
                **payload_formatters.decode_uplink(formatters, f_port, frm_payload),
            }  # fmt: skip
            published = send(device, "uplink_message", uplink, NO_ADDRESS, described=False)
            published.message["simulated"] = True
            return published

    def received(self, application_id: str, device_id: str) -> list[Json]:
        """The downlinks that the device received in all its sessions, oldest first: f_port, f_cnt, confirmed and
        `frm_payload` (base64) as the device decrypts it with its AppSKey."""
        return list(self._activations.end_device((application_id, device_id)).received)

    def set_frame_counters(
        self, application_id: str, device_id: str, *, f_cnt_up: int | None = None, f_cnt_down: int | None = None
    ) -> None:
        """Sets the counters of the session that the device uses, in the device and on the Network Server: `f_cnt_up` is
        the counter of the next uplink, `f_cnt_down` the lowest that the next downlink can have (from 1 before LoRaWAN
        1.1). Queued downlinks with a lower counter are invalidated after the device's next uplink. ValueError: more
        than 32 bits. Dropped: no session."""
        device = application_id, device_id
        for value in (f_cnt_up, f_cnt_down):
            if value is not None and not 0 <= value <= LAST_F_CNT:
                raise ValueError(f"a frame counter must have at most 32 bits; got {value}")
        with self._lock:
            session = self._activations.joined(device).newest
            assert session is not None
            if f_cnt_up is not None:
                self._activations.end_device(device).next_f_cnt_up = f_cnt_up
                if session.next_status_f_cnt:
                    session.next_status_f_cnt = f_cnt_up + STATUS_EVERY
            if f_cnt_down is not None:
                session.last_n_f_cnt_down = session.last_sent_f_cnt = f_cnt_down - 1 if f_cnt_down else None
            self._activations.record(device)

    def session(self, application_id: str, device_id: str) -> Json:
        """The session that the device uses: `session_key_id`, `dev_addr`, `app_s_key` (hex: a secret of the device and
        the Join Server), `pending` until its first uplink, `next_f_cnt_up`, `min_f_cnt_down`. Dropped: no session."""
        device = application_id, device_id
        with self._lock:
            sessions, end_device = self._activations.joined(device), self._activations.end_device(device)
            session = sessions.newest
            assert session is not None
            return {
                "session_key_id": session.key_id, "dev_addr": session.dev_addr,
                "app_s_key": end_device.app_s_key.hex().upper(), "pending": sessions.pending is not None,
                "next_f_cnt_up": end_device.next_f_cnt_up, "min_f_cnt_down": session.min_f_cnt_down,
            }  # fmt: skip

    def forget(self, application_id: str, device_id: str) -> None:
        """Ends the sessions of a device that a server deleted."""
        self._activations.end((application_id, device_id))

    # Services ---------------------------------------------------------------------------------------------------------
    def location_solved(
        self, application_id: str, device_id: str, *, latitude: float, longitude: float, service: str = "frm-payload"
    ) -> Published:
        """A location service located the device (degrees)."""
        location = {"latitude": latitude, "longitude": longitude, "source": "SOURCE_GPS"}
        content = {"service": service, "location": location}
        return self._publish_about((application_id, device_id), "location_solved", content)

    def service_data(self, application_id: str, device_id: str, *, service: str, data: Json) -> Published:
        """An application package publishes data about the device."""
        return self._publish_about((application_id, device_id), "service_data", {"service": service, "data": data})

    def publish_raw(self, application_id: str, topic: str, body: bytes) -> Published:
        """Publishes arbitrary bytes on a topic below the base topic ("uplink"), as a broken or newer Stack might."""
        return self._publisher.publish(Published(application_id, "raw", topic, {}, raw=body))

    # The downlink queue -----------------------------------------------------------------------------------------------
    def push(self, application_id: str, device_id: str, sent: list[Json], *, replace: bool = False) -> None:
        """Adds to the device's queue or replaces it; publishes each downlink as `downlink_queued`. ApiError as the
        Application Server answers."""
        operation = "DownlinkQueueReplace" if replace else "DownlinkQueuePush"
        with self._publisher.transaction(f"{_APPLICATION_SERVER}{operation}") as send:
            self._queues.push((application_id, device_id), sent, send, replace=replace)

    def queue(self, application_id: str, device_id: str) -> list[Json]:
        """The device's queue. ApiError: the Application Server does not know the device."""
        with self._lock:
            return self._queues.items((application_id, device_id))

    def invalidate_queue(self, application_id: str, device_id: str) -> Published | None:
        """The network sends only MAC commands (FPort 0) and, before LoRaWAN 1.1, uses a frame counter that it shares
        with the queue. The Application Server numbers its queue again; only when it skips payload crypto is the queue
        lost and published as `downlink_queue_invalidated`, which is returned. Dropped: no confirmed session."""
        device = application_id, device_id
        with self._publisher.transaction(*_FROM_AIR) as send:
            session = self._activations.joined(device).current
            if session is None:
                raise Dropped(f"no downlink to {device_id}: its session is pending until its first uplink")
            return self._queues.send_own(device, session, send)

    def fail_next_downlink(self, application_id: str, device_id: str, *, error: ApiError = TRANSMISSION_FAILED) -> None:
        """The next downlink of the device is not sent but published as `downlink_failed` with `error`."""
        with self._lock:
            self._queues.fail_next((application_id, device_id), error)

    # Inside -----------------------------------------------------------------------------------------------------------
    def _new_session(
        self, device: DeviceKey, root_key: bytes, version: str, dev_nonce: int | None
    ) -> tuple[Session, bytes]:
        """The session of a join and its AppSKey. Dropped: the Join Server can't wrap the key."""
        join_eui = self._servers.network.devices[device]["ids"]["join_eui"]
        self._nonces[device] = nonce = self._nonces.get(device, 0) + 1
        if dev_nonce is None:
            dev_nonce = nonce  # a simulated device's DevNonce advances with the JoinNonce
        key = lorawan.app_s_key(version, root_key, nonce, int(self.net_id, 16), join_eui, dev_nonce)
        envelope = join_server.key_envelope(self._servers.join, device, key)
        if device in self._servers.join.devices:
            self._servers.join.devices[device] |= {"last_join_nonce": nonce, "last_dev_nonce": dev_nonce}
        key_id = base64_of((time.time_ns() // 10**6).to_bytes(6) + secrets.token_bytes(10))
        dev_addr = f"260B{secrets.randbelow(2**16):04X}"
        started_at, shared = rfc3339(time.time_ns()), version != "MAC_V1_1"
        return Session(key_id, dev_addr, envelope, started_at, shared, join_nonce=nonce), key

    def _transmit(self, device: DeviceKey, sessions: Sessions, frm_payload: bytes) -> tuple[Session, bytes]:
        """The device encrypts and sends, which confirms its session; `last_f_cnt_up` is then the uplink's counter.
        Returns the session and the ciphertext. Dropped: the counter is exhausted."""
        try:
            f_cnt, ciphertext = self._activations.end_device(device).send(frm_payload)
        except OverflowError as error:
            raise Dropped(f"uplink of {device[1]} not sent: {error}") from None
        sessions.confirm(self._activations.end_device(device).dev_addr)
        session = sessions.current
        assert session is not None  # an uplink confirms the session that the device uses
        session.last_f_cnt_up = f_cnt
        return session, ciphertext

    def _payload(
        self, device: DeviceKey, session: Session, f_port: int | None, ciphertext: bytes, decoded_payload: Json | None
    ) -> Json:
        """`frm_payload` and `decoded_payload` as published: decrypted and decoded, or encrypted when payload crypto is
        skipped. Dropped: the Application Server can neither unwrap the key nor skip payload crypto."""
        if self._queues.skips_crypto(device, session):
            return {"frm_payload": base64_of(ciphertext)}
        if session.wrapped:
            label = session.envelope["kek_label"]
            raise Dropped(f"uplink of {device[1]} dropped: the Application Server can't unwrap the AppSKey "
                          f"(KEK label {label}) and the link does not skip payload crypto")  # fmt: skip
        payload = lorawan.crypt_frm_payload(
            session.app_s_key(), session.dev_addr, session.last_f_cnt_up, ciphertext, downlink=False
        )
        if decoded_payload is not None:
            return {"frm_payload": base64_of(payload), "decoded_payload": decoded_payload}
        formatters = downlinks.formatters_of(self._servers.application, device)
        return {"frm_payload": base64_of(payload), **payload_formatters.decode_uplink(formatters, f_port, payload)}

    def _publish_about(self, device: DeviceKey, kind: str, content: Json) -> Published:
        with self._publisher.transaction("as:up") as send:
            if device not in self._servers.application.devices:
                raise Dropped(f"{device[1]} is not on the Application Server")
            return send(device, kind, content)
