"""The LoRaWAN network: devices that join and send, their sessions, what they receive, and what is published of it.

A device exists here as soon as the four servers know it. Downlink queues are Class A: the head of the queue goes out
after the device's next uplink (at once for Class C). How a message reaches an application is `integrations`' business.
Sources: LoRaWAN 1.0.3 and 1.1; the Stack's applicationserver.go, joinserver.go, networkserver/grpc_asns.go.
"""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from local.things_stack import lorawan, messages
from local.things_stack.downlinks import DownlinkQueue
from local.things_stack.errors import ApiError
from local.things_stack.messages import Json, Published
from local.things_stack.servers import DeviceKey, Servers, rfc3339

TRANSMISSION_FAILED = ApiError(
    2, "pkg/networkserver:transmission", "downlink transmission failed with result `{result}`", {"result": "TX_FREQ"}
)
_ORIGINS = {"uplink_message": "gs:uplink", "join_accept": "gs:up", "downlink_queue_invalidated": "ns:downlink"}
"""Kind → what a message's correlation id is named after when nothing else led to it."""


class Dropped(Exception):
    """The network dropped a device's message; the text says at which server and why. Nothing was published."""


@dataclass
class Session:
    """A security session. `envelope` is the AppSKey as the Join Server hands it out (a KeyEnvelope)."""

    key_id: str
    dev_addr: str
    app_s_key: bytes
    envelope: Json
    next_f_cnt_up: int = 0
    queue: DownlinkQueue = field(default_factory=DownlinkQueue)

    @property
    def wrapped(self) -> bool:
        return "encrypted_key" in self.envelope


Send = Callable[[DeviceKey, str, Json], Published]
"""Puts a message about a device into the outbox: its kind and its content (the value of the kind's field)."""


class Network:
    """One network with NetID `net_id`. `published` holds everything that was published, oldest first."""

    def __init__(
        self, servers: Servers, lock: threading.RLock, deliver: Callable[[Published], None], *, net_id: str = "000013"
    ) -> None:
        self.net_id = net_id
        self.published: deque[Published] = deque(maxlen=100_000)
        self._servers, self._lock, self._deliver = servers, lock, deliver
        self._sessions: dict[DeviceKey, Session] = {}
        self._joins: dict[DeviceKey, int] = {}
        self._received: dict[DeviceKey, list[Json]] = {}
        self._transmission_errors: dict[DeviceKey, list[ApiError]] = {}

    # What devices do ------------------------------------------------------------------------------------------------
    def join(self, application_id: str, device_id: str, *, app_key: str | None = None) -> Published:
        """The device joins over the air; returns the `join_accept` published. `app_key` (32 hex digits) is the root key
        in the device, when it differs from what the Join Server holds. Dropped: a server lacks something."""
        at = application_id, device_id
        with self._transaction() as send:
            root_key, version = self._root_key(at)
            if app_key is not None and bytes.fromhex(app_key) != root_key:
                raise Dropped(
                    f"join-request of {device_id} dropped: the Join Server found its MIC does not match the root key"
                )
            old = self._sessions.get(at)
            join_eui = self._servers.network.devices[at]["ids"]["join_eui"]
            self._joins[at] = nonce = self._joins.get(at, 0) + 1  # the device and the Join Server count alike
            key = lorawan.app_s_key(version, root_key, nonce, int(self.net_id, 16), join_eui, nonce)
            if at in self._servers.join.devices:
                self._servers.join.devices[at] |= {"last_join_nonce": nonce, "last_dev_nonce": nonce}
            key_id = messages.base64_of((time.time_ns() // 10**6).to_bytes(6) + secrets.token_bytes(10))
            session = Session(key_id, f"260B{secrets.randbelow(2**16):04X}", key, self._envelope(application_id, key))
            self._sessions[at] = session
            now = time.time_ns()
            accept: Json = {"session_key_id": key_id, "received_at": rfc3339(now)}
            if self._skips_crypto(at, session):
                accept["app_s_key"] = session.envelope
                accept["invalidated_downlinks"] = list(old.queue.items) if old else []
            elif old:  # the Application Server computes the queue anew for the new session
                session.queue.take_over(old.queue, key_id)
            self._record_session(at, session, now)
            return send(at, "join_accept", accept)

    def uplink(
        self, application_id: str, device_id: str, *, f_port: int | None = None, frm_payload: bytes = b"",
        decoded_payload: Json | None = None, confirmed: bool = False, ack: bool = True, gateways: int = 1,
        packet_broker: bool = False, rssi: float = -71, snr: float = 8.5, rx_metadata: list[Json] | None = None,
    ) -> Published:  # fmt: skip
        """The device sends; returns the `uplink_message` published. Without `f_port` it carries MAC commands only.
        `ack`: whether it acknowledges the confirmed downlink it got before. `rx_metadata` replaces the simulated
        gateways'. Afterwards the head of its downlink queue goes out. Dropped: no session, or a server lacks it."""
        at = application_id, device_id
        if frm_payload and not f_port:
            raise ValueError("a payload needs an FPort from 1 to 255")
        with self._transaction() as send:
            session = self._session(at)
            now = time.time_ns()
            f_cnt, session.next_f_cnt_up = session.next_f_cnt_up, session.next_f_cnt_up + 1
            self._settle_confirmed(at, session, ack, send)
            skips = self._skips_crypto(at, session)
            if session.wrapped and not skips:
                label = session.envelope["kek_label"]
                raise Dropped(f"uplink of {device_id} dropped: the Application Server can't unwrap the AppSKey "
                              f"(KEK label {label}) and the link does not skip payload crypto")  # fmt: skip
            if skips:
                frm_payload = lorawan.crypt_frm_payload(
                    session.app_s_key, session.dev_addr, f_cnt, frm_payload, downlink=False
                )
            uplink: Json = {
                "session_key_id": session.key_id, "f_port": f_port, "f_cnt": f_cnt,
                "frm_payload": messages.base64_of(frm_payload), "decoded_payload": None if skips else decoded_payload,
                "rx_metadata": rx_metadata if rx_metadata is not None else messages.rx_metadata(
                    gateways, rssi=rssi, snr=snr, packet_broker=packet_broker, received_at=now),
                "settings": messages.settings(now), "received_at": rfc3339(now), "confirmed": confirmed,
                "consumed_airtime": messages.airtime(len(frm_payload)),
                "version_ids": self._servers.application.devices[at].get("version_ids"),
                "network_ids": {"net_id": self.net_id, "ns_id": "EC656E0000000181", "tenant_id": "ttn",
                                "cluster_id": "eu1", "cluster_address": "eu1.cloud.thethings.network"},
            }  # fmt: skip
            if skips:
                uplink |= {"app_s_key": session.envelope, "last_a_f_cnt_down": session.queue.last_f_cnt}
            self._servers.identity.devices.get(at, {})["last_seen_at"] = rfc3339(now)
            published = send(at, "uplink_message", uplink)
            self._transmit(at, session, send)
            return published

    def received(self, application_id: str, device_id: str) -> list[Json]:
        """What the device received, oldest first: f_port, f_cnt, confirmed and the decrypted `frm_payload` (base64)."""
        return list(self._received.get((application_id, device_id), []))

    # What else the network and its services publish -----------------------------------------------------------------
    def location_solved(
        self, application_id: str, device_id: str, *, latitude: float, longitude: float, service: str = "frm-payload"
    ) -> Published:
        """A location service found the device (degrees)."""
        location = {"latitude": latitude, "longitude": longitude, "source": "SOURCE_GPS"}
        return self._publish_about(
            application_id, device_id, "location_solved", {"service": service, "location": location}
        )

    def service_data(self, application_id: str, device_id: str, *, service: str, data: Json) -> Published:
        """An application package has something to say about the device."""
        return self._publish_about(application_id, device_id, "service_data", {"service": service, "data": data})

    def publish_raw(self, application_id: str, topic: str, body: bytes) -> Published:
        """Publishes any bytes on a topic below the base topic ("uplink"), as a broken or newer Stack might."""
        return self._publish(Published(application_id, "raw", topic, {}, raw=body))

    def invalidate_queue(self, application_id: str, device_id: str) -> Published | None:
        """The network used up a frame counter for itself. The Application Server renumbers its queue; only when it
        skips payload crypto the queue is lost and published as `downlink_queue_invalidated`."""
        at = application_id, device_id
        with self._transaction() as send:
            session = self._session(at)
            lost = session.queue.invalidate(keep=not self._skips_crypto(at, session))
            if not self._skips_crypto(at, session):
                return None
            content = {"downlinks": lost, "last_f_cnt_down": session.queue.last_f_cnt, "session_key_id": session.key_id}
            return send(at, "downlink_queue_invalidated", content)

    def fail_next_downlink(self, application_id: str, device_id: str, *, error: ApiError = TRANSMISSION_FAILED) -> None:
        """The next downlink of the device is not sent but published as `downlink_failed` with `error`."""
        with self._lock:
            self._transmission_errors.setdefault((application_id, device_id), []).append(error)

    # The downlink queue, as the Application Server offers it ----------------------------------------------------------
    def push(self, application_id: str, device_id: str, downlinks: list[Json], *, replace: bool = False) -> None:
        """Adds to the device's queue, or puts `downlinks` in its place; each is published as `downlink_queued`.
        ApiError as the Application Server answers."""
        at = application_id, device_id
        with self._transaction() as send:
            device = self._servers.application.devices.get(at)
            if device is None:
                raise ApiError(5, "pkg/applicationserver:device_not_found", "device `{device_uid}` not found",
                               {"device_uid": f"{application_id}.{device_id}"})  # fmt: skip
            formatters = device.get("formatters") or self._servers.application.links.get(application_id, {}).get(
                "default_formatters"
            )
            items = [DownlinkQueue.prepared(item, formatters or {}) for item in downlinks]
            session = self._sessions.get(at)
            if session is None or at not in self._servers.network.devices:
                raise DownlinkQueue.no_device_session()
            queued = session.queue.add(
                items, session.key_id, session.dev_addr, replace=replace, skips_crypto=self._skips_crypto(at, session)
            )
            for item in queued:
                send(at, "downlink_queued", item)
            if self._servers.network.devices[at].get("supports_class_c"):
                self._transmit(at, session, send)

    def queue(self, application_id: str, device_id: str) -> list[Json]:
        """The device's queue; ApiError device_not_found."""
        at = application_id, device_id
        with self._lock:
            if at not in self._servers.application.devices:
                raise ApiError(5, "pkg/redis:not_found", "entity not found")
            return [messages.proto3(item) for item in self._sessions[at].queue.items] if at in self._sessions else []

    def forget(self, application_id: str, device_id: str) -> None:
        """A server deleted the device: its session ends."""
        self._sessions.pop((application_id, device_id), None)

    # Inside ---------------------------------------------------------------------------------------------------------
    @contextmanager
    def _transaction(self) -> Iterator[Send]:
        """Under the lock: changes state and collects messages; after it: delivers them, so that an integration which
        waits for its broker never holds up the API."""
        outbox: list[Published] = []

        def send(at: DeviceKey, kind: str, content: Json) -> Published:
            ids = self._servers.application.devices[at]["ids"]
            downlink = content.get("downlink", content)
            marks = downlink.get("correlation_ids") or [messages.correlation_id(_ORIGINS.get(kind, "as:up"))]
            message = messages.application_up(ids, kind, content, marks, time.time_ns())
            outbox.append(Published(at[0], kind, messages.TOPICS[kind], message))
            return outbox[-1]

        try:
            with self._lock:
                yield send
        finally:
            for published in outbox:
                self._publish(published)

    def _publish(self, published: Published) -> Published:
        published.published_at = time.time()
        self.published.append(published)
        self._deliver(published)
        return published

    def _publish_about(self, application_id: str, device_id: str, kind: str, content: Json) -> Published:
        at = application_id, device_id
        with self._transaction() as send:
            if at not in self._servers.application.devices:
                raise Dropped(f"{device_id} is not on the Application Server")
            return send(at, kind, content)

    def _root_key(self, at: DeviceKey) -> tuple[bytes, str]:
        """The root key an AppSKey is derived from, and the MAC version. Dropped: which server lacks what."""
        servers, (application_id, device_id) = self._servers, at

        def drop(reason: str) -> Dropped:
            return Dropped(f"join-request of {device_id} in {application_id} dropped: {reason}")

        known = servers.network.devices.get(at)
        if known is None:
            raise drop("the Network Server does not know the device")
        if not known.get("supports_join"):
            raise drop("the device is not set to join on the Network Server")
        euis = known["ids"].get("join_eui", ""), known["ids"].get("dev_eui", "")
        claimed = servers.claiming.devices.get(euis)
        if at not in servers.join.devices and (claimed is None or claimed.claimed_by != application_id):
            raise drop("the Join Server does not know the device")
        for server, name in (
            (servers.join, "Join"),
            (servers.application, "Application"),
            (servers.identity, "Identity"),
        ):
            if at not in server.devices:
                if server is servers.join:
                    continue
                raise drop(f"the {name} Server does not know the device")
            other = server.devices[at]["ids"]
            if (other.get("join_eui"), other.get("dev_eui")) != euis:
                raise drop(f"the {name} Server knows the device by other EUIs")
        version: str = known["lorawan_version"]
        if at not in servers.join.devices and claimed is not None:
            return bytes.fromhex(claimed.app_key), version
        keys = servers.join.devices[at].get("root_keys", {})
        app_key, nwk_key = keys.get("app_key", {}).get("key"), keys.get("nwk_key", {}).get("key")
        if version == "MAC_V1_1" and not nwk_key:
            raise drop("no NwkKey specified (pkg/joinserver:no_nwk_key)")
        key = app_key if version == "MAC_V1_1" else nwk_key or app_key  # 1.0.x: the Join Server prefers the NwkKey
        if not key:
            raise drop("no AppKey specified (pkg/joinserver:no_app_key)")
        return bytes.fromhex(key), version

    def _envelope(self, application_id: str, key: bytes) -> Json:
        settings = self._servers.join.settings.get(application_id, {})
        if "kek" not in settings:
            return {"key": key.hex().upper()}
        kek = bytes.fromhex(settings["kek"]["key"])
        return {"kek_label": settings["kek_label"], "encrypted_key": messages.base64_of(lorawan.wrap(kek, key))}

    def _skips_crypto(self, at: DeviceKey, session: Session) -> bool:
        """The Application Server skips payload crypto only for keys it can't unwrap."""
        override = self._servers.application.devices[at].get("skip_payload_crypto_override")
        link = self._servers.application.links.get(at[0], {}).get("skip_payload_crypto", False)
        return session.wrapped and bool(link if override is None else override)

    def _session(self, at: DeviceKey) -> Session:
        for server, name in ((self._servers.network, "Network"), (self._servers.application, "Application")):
            if at not in server.devices:
                raise Dropped(f"uplink of {at[1]} in {at[0]} dropped: the {name} Server does not know the device")
        if at not in self._sessions:
            raise Dropped(f"uplink of {at[1]} in {at[0]} dropped: the device has not joined")
        return self._sessions[at]

    def _record_session(self, at: DeviceKey, session: Session, now: int) -> None:
        for server in (self._servers.network, self._servers.application):
            device = server.devices[at]
            device["ids"] = device["ids"] | {"dev_addr": session.dev_addr}
            device["session"] = {
                "dev_addr": session.dev_addr,
                "keys": {"session_key_id": session.key_id},
                "started_at": rfc3339(now),
            }
        self._servers.application.devices[at]["session"]["keys"]["app_s_key"] = session.envelope
        self._servers.identity.devices[at].setdefault("activated_at", rfc3339(now))

    def _settle_confirmed(self, at: DeviceKey, session: Session, ack: bool, send: Send) -> None:
        """The uplink's ACK bit settles the confirmed downlink before it; after a nack the server tries again."""
        downlink = session.queue.settle(ack, session.key_id, retry=not self._skips_crypto(at, session))
        if downlink is not None:
            send(at, "downlink_ack" if ack else "downlink_nack", downlink)

    def _transmit(self, at: DeviceKey, session: Session, send: Send) -> None:
        downlink = session.queue.head()
        if downlink is None:
            return
        if errors := self._transmission_errors.get(at):
            content = {"downlink": downlink, "error": errors.pop(0).error_details()}
            send(at, "downlink_failed", content)
            return
        session.queue.sent(downlink)
        payload = base64.b64decode(downlink.get("frm_payload", ""))
        if self._skips_crypto(at, session):
            payload = lorawan.crypt_frm_payload(
                session.app_s_key, session.dev_addr, downlink["f_cnt"], payload, downlink=True
            )
        self._received.setdefault(at, []).append({
            "f_port": downlink["f_port"], "f_cnt": downlink["f_cnt"], "confirmed": downlink.get("confirmed", False),
            "frm_payload": messages.base64_of(payload)})  # fmt: skip
        send(at, "downlink_sent", downlink)
