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

from local.things_stack import downlinks, lorawan, masks, messages, payload_formatters
from local.things_stack.downlinks import Session, Sessions
from local.things_stack.end_device import LAST_F_CNT, EndDevice
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


Send = Callable[..., Published]
"""Puts a message about a device into the outbox: the device, the message's kind and its content (the value of the
kind's field); `dev_addr` when it isn't the one the Application Server has recorded."""


class Network:
    """One network with NetID `net_id`. `published` holds everything that was published, oldest first."""

    def __init__(
        self, servers: Servers, lock: threading.RLock, deliver: Callable[[Published], None], *, net_id: str = "000013"
    ) -> None:
        self.net_id = net_id
        self.published: deque[Published] = deque(maxlen=100_000)
        self._servers, self._lock, self._deliver = servers, lock, deliver
        self._devices: dict[DeviceKey, EndDevice] = {}
        self._sessions: dict[DeviceKey, Sessions] = {}
        self._joins: dict[DeviceKey, int] = {}
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
            join_eui = self._servers.network.devices[at]["ids"]["join_eui"]
            self._joins[at] = nonce = self._joins.get(at, 0) + 1  # the device and the Join Server count alike
            key = lorawan.app_s_key(version, root_key, nonce, int(self.net_id, 16), join_eui, nonce)
            envelope = self._envelope(at, key)
            if at in self._servers.join.devices:
                self._servers.join.devices[at] |= {"last_join_nonce": nonce, "last_dev_nonce": nonce}
            key_id = messages.base64_of((time.time_ns() // 10**6).to_bytes(6) + secrets.token_bytes(10))
            now = rfc3339(time.time_ns())
            session = Session(key_id, f"260B{secrets.randbelow(2**16):04X}", envelope, now, version != "MAC_V1_1")
            self._devices.setdefault(at, EndDevice()).join(key, session.dev_addr)
            sessions = self._sessions.setdefault(at, Sessions())
            old = sessions.current or sessions.pending
            invalidated = list(old.queue) if old else []
            sessions.pending = session
            accept: Json = {"session_key_id": key_id, "received_at": now}
            if self._skips_crypto(at, session):
                accept |= {"app_s_key": envelope, "invalidated_downlinks": invalidated}
            elif old and invalidated:  # the Application Server computes the queue anew for the new session
                self._queue_anew(at, old, invalidated, but=old.key_id)
            self._record_sessions(at)
            return send(at, "join_accept", accept, session.dev_addr)

    def uplink(
        self, application_id: str, device_id: str, *, f_port: int | None = None, frm_payload: bytes = b"",
        decoded_payload: Json | None = None, confirmed: bool = False, ack: bool = True, gateways: int = 1,
        packet_broker: bool = False, rssi: float = -71, snr: float = 8.5, rx_metadata: list[Json] | None = None,
    ) -> Published:  # fmt: skip
        """The device encrypts and sends; returns the `uplink_message` published. Without `f_port` it carries MAC
        commands only. `decoded_payload` is published in place of what a payload formatter says. `ack`: whether it
        acknowledges the confirmed downlink it got before. `rx_metadata` replaces the simulated gateways'. Afterwards
        the head of its downlink queue goes out. Dropped: no session, or a server lacks it."""
        at = application_id, device_id
        if frm_payload and not f_port:
            raise ValueError("a payload needs an FPort from 1 to 255")
        with self._transaction() as send:
            sessions, now = self._joined(at), time.time_ns()
            try:
                f_cnt, ciphertext = self._devices[at].send(frm_payload)
            except OverflowError as error:
                raise Dropped(f"uplink of {device_id} not sent: {error}") from None
            sessions.confirm()
            session = sessions.current
            assert session is not None  # what the device sends in is what was confirmed
            session.last_f_cnt_up = f_cnt
            self._servers.identity.devices.get(at, {}).setdefault("activated_at", rfc3339(now))
            self._record_sessions(at)
            self._settle_confirmed(at, session, ack, send)
            skips = self._skips_crypto(at, session)
            if session.wrapped and not skips:
                label = session.envelope["kek_label"]
                raise Dropped(f"uplink of {device_id} dropped: the Application Server can't unwrap the AppSKey "
                              f"(KEK label {label}) and the link does not skip payload crypto")  # fmt: skip
            if not skips:
                frm_payload = lorawan.crypt_frm_payload(
                    session.app_s_key(), session.dev_addr, f_cnt, ciphertext, downlink=False
                )
            decoded: Json = {}
            if decoded_payload is not None and not skips:
                decoded = {"decoded_payload": decoded_payload}
            elif not skips:
                decoded = payload_formatters.decode_uplink(self._formatters(at), f_port, frm_payload)
            uplink: Json = {
                "session_key_id": session.key_id, "f_port": f_port, "f_cnt": f_cnt,
                "frm_payload": messages.base64_of(ciphertext if skips else frm_payload),
                **decoded,
                "rx_metadata": rx_metadata if rx_metadata is not None else messages.rx_metadata(
                    gateways, rssi=rssi, snr=snr, packet_broker=packet_broker, received_at=now),
                "settings": messages.settings(now), "received_at": rfc3339(now), "confirmed": confirmed,
                "consumed_airtime": messages.airtime(len(frm_payload)),
                "version_ids": self._servers.application.devices[at].get("version_ids"),
                "network_ids": {"net_id": self.net_id, "ns_id": "EC656E0000000181", "tenant_id": "ttn",
                                "cluster_id": "eu1", "cluster_address": "eu1.cloud.thethings.network"},
            }  # fmt: skip
            if skips:
                uplink |= {"app_s_key": session.envelope, "last_a_f_cnt_down": session.last_a_f_cnt_down}
            self._servers.identity.devices.get(at, {})["last_seen_at"] = rfc3339(now)
            published = send(at, "uplink_message", uplink)
            self._transmit(at, sessions, send)
            return published

    def received(self, application_id: str, device_id: str) -> list[Json]:
        """What the device received in all its sessions, oldest first: f_port, f_cnt, confirmed and `frm_payload`
        (base64) as the device decrypts it with its AppSKey."""
        device = self._devices.get((application_id, device_id))
        return list(device.received) if device else []

    def set_frame_counters(
        self, application_id: str, device_id: str, *, f_cnt_up: int | None = None, f_cnt_down: int | None = None
    ) -> None:
        """Moves the counters of the session the device is in, at the device and the Network Server: `f_cnt_up` is what
        the next uplink carries, `f_cnt_down` the least the next downlink may carry (from 1 before LoRaWAN 1.1). What is
        queued with less is invalidated after the device's next uplink. ValueError: no 32 bits. Dropped: no session."""
        at = application_id, device_id
        for value in (f_cnt_up, f_cnt_down):
            if value is not None and not 0 <= value <= LAST_F_CNT:
                raise ValueError(f"{value} is no frame counter: it has 32 bits")
        with self._transaction():
            session = self._joined(at).newest
            assert session is not None
            if f_cnt_up is not None:
                self._devices[at].next_f_cnt_up = f_cnt_up
            if f_cnt_down is not None:
                session.last_n_f_cnt_down = session.last_sent_f_cnt = f_cnt_down - 1 if f_cnt_down else None

    def session(self, application_id: str, device_id: str) -> Json:
        """The session the device is in: `session_key_id`, `dev_addr`, `app_s_key` (hex: the secret only the device and
        the Join Server have), `pending` until its first uplink, `next_f_cnt_up`, `min_f_cnt_down`. Dropped: none."""
        at = application_id, device_id
        with self._lock:
            sessions, device = self._joined(at), self._devices[at]
            session = sessions.newest
            assert session is not None
            return {
                "session_key_id": session.key_id, "dev_addr": session.dev_addr,
                "app_s_key": device.app_s_key.hex().upper(), "pending": sessions.pending is not None,
                "next_f_cnt_up": device.next_f_cnt_up, "min_f_cnt_down": session.min_f_cnt_down,
            }  # fmt: skip

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
        """The network sends MAC commands alone (FPort 0) and, before LoRaWAN 1.1, uses up a frame counter that the
        queue shares. The Application Server numbers its queue anew; only when it skips payload crypto the queue is lost
        and published as `downlink_queue_invalidated`, which is returned. Dropped: no session, or none confirmed yet."""
        at = application_id, device_id
        with self._transaction() as send:
            session = self._joined(at).current
            if session is None:
                raise Dropped(f"no downlink to {device_id}: its session is pending until its first uplink")
            return self._invalidated(at, session, send) if session.send_mac_commands() else None

    def fail_next_downlink(self, application_id: str, device_id: str, *, error: ApiError = TRANSMISSION_FAILED) -> None:
        """The next downlink of the device is not sent but published as `downlink_failed` with `error`."""
        with self._lock:
            self._transmission_errors.setdefault((application_id, device_id), []).append(error)

    # The downlink queue, as the Application Server offers it ----------------------------------------------------------
    def push(self, application_id: str, device_id: str, sent: list[Json], *, replace: bool = False) -> None:
        """Adds to the device's queue, or puts `sent` in its place; each is published as `downlink_queued`.
        ApiError as the Application Server answers."""
        at = application_id, device_id
        with self._transaction() as send:
            if at not in self._servers.application.devices:
                raise ApiError(5, "pkg/applicationserver:device_not_found", "device `{device_uid}` not found",
                               {"device_uid": f"{application_id}.{device_id}"})  # fmt: skip
            sessions = self._sessions.get(at, Sessions())
            skips = self._skips_crypto(at, sessions.newest)
            if skips and any("frm_payload" not in item for item in sent):
                raise downlinks.no_payload()  # the Stack would send it unencrypted, and the device could not read it
            formatters = {} if skips else self._formatters(at)
            items = [downlinks.prepared(item, formatters) for item in sent]
            downlinks.operate(sessions, items, replace=replace, skips=lambda session: self._skips_crypto(at, session))
            first = sessions.all[0]
            numbered = first.queue[len(first.queue) - len(items) :]
            for item, queued in zip(items, numbered, strict=False):
                numbers = {"f_cnt": queued["f_cnt"], "session_key_id": queued["session_key_id"]}
                send(at, "downlink_queued", item | numbers)
            self._record_sessions(at)
            if self._servers.network.devices[at].get("supports_class_c"):
                self._transmit(at, sessions, send)

    def queue(self, application_id: str, device_id: str) -> list[Json]:
        """The device's queue; ApiError device_not_found."""
        at = application_id, device_id
        with self._lock:
            if at not in self._servers.application.devices:
                raise ApiError(5, "pkg/redis:not_found", "entity not found")
            sessions = self._sessions.get(at, Sessions())
            if not sessions.all:
                return []
            session = sessions.all[0]
            items = [item for item in session.queue if item["session_key_id"] == session.key_id]
            return [messages.proto3(self._readable(at, session, item)) for item in items]

    def forget(self, application_id: str, device_id: str) -> None:
        """A server deleted the device: its session ends."""
        self._sessions.pop((application_id, device_id), None)

    # Inside ---------------------------------------------------------------------------------------------------------
    @contextmanager
    def _transaction(self) -> Iterator[Send]:
        """Under the lock: changes state and collects messages; after it: delivers them, so that an integration which
        waits for its broker never holds up the API."""
        outbox: list[Published] = []

        def send(at: DeviceKey, kind: str, content: Json, dev_addr: str | None = None) -> Published:
            ids = self._servers.application.devices[at]["ids"] | ({"dev_addr": dev_addr} if dev_addr else {})
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

    def _envelope(self, at: DeviceKey, key: bytes) -> Json:
        """The AppSKey as the Join Server hands it out: wrapped when the application has set a KEK label. Dropped: a
        label without a KEK, or a label of the cluster, whose key vault is empty here, in the device's record."""
        if label := self._servers.join.devices.get(at, {}).get("application_server_kek_label"):
            raise Dropped(f"join-request of {at[1]} dropped: the cluster has no KEK {label} (pkg/joinserver:wrap_key)")
        settings = self._servers.join.settings.get(at[0], {})
        if not settings.get("kek_label"):
            return {"key": key.hex().upper()}
        kek = masks.lookup(settings, "kek.key")
        if kek is None:
            raise Dropped(f"join-request of {at[1]} dropped: KEK not found (pkg/joinserver:kek)")
        wrapped = lorawan.wrap(bytes.fromhex(kek), key)
        return {"kek_label": settings["kek_label"], "encrypted_key": messages.base64_of(wrapped)}

    def _skips_crypto(self, at: DeviceKey, session: Session | None) -> bool:
        """The Application Server skips payload crypto when it is told to, and can't unwrap the session's key."""
        if session is not None and not session.wrapped:
            return False
        override = self._servers.application.devices[at].get("skip_payload_crypto_override")
        link = self._servers.application.links.get(at[0], {}).get("skip_payload_crypto", False)
        return bool(link if override is None else override)

    def _formatters(self, at: DeviceKey) -> Json:
        """The device's payload formatters, or its application's when it has none of its own."""
        link = self._servers.application.links.get(at[0], {})
        own = self._servers.application.devices[at].get("formatters")
        return dict(own or link.get("default_formatters") or {})

    def _joined(self, at: DeviceKey) -> Sessions:
        for server, name in ((self._servers.network, "Network"), (self._servers.application, "Application")):
            if at not in server.devices:
                raise Dropped(f"uplink of {at[1]} in {at[0]} dropped: the {name} Server does not know the device")
        if at not in self._sessions:
            raise Dropped(f"uplink of {at[1]} in {at[0]} dropped: the device has not joined")
        return self._sessions[at]

    def _record_sessions(self, at: DeviceKey) -> None:
        """Shows the sessions in the device's records on the Network and the Application Server."""
        sessions = self._sessions[at]
        for server in (self._servers.network, self._servers.application):
            device = server.devices[at]
            if sessions.current is not None:
                device["ids"] = device["ids"] | {"dev_addr": sessions.current.dev_addr}
            for name, session in (("session", sessions.current), ("pending_session", sessions.pending)):
                if session is None:
                    device.pop(name, None)
                    continue
                keys: Json = {"session_key_id": session.key_id}
                record: Json = {"dev_addr": session.dev_addr, "keys": keys, "started_at": session.started_at}
                if server is self._servers.application:
                    keys["app_s_key"] = session.envelope
                    record["last_a_f_cnt_down"] = session.last_a_f_cnt_down
                else:
                    record["last_f_cnt_up"] = session.last_f_cnt_up
                device[name] = messages.proto3(record)

    # The Application Server's side of the queue -----------------------------------------------------------------------
    def _readable(self, at: DeviceKey, session: Session, item: Json) -> Json:
        """A queued downlink as the application gets it: decrypted and decoded, unless payload crypto is skipped."""
        if self._skips_crypto(at, session):
            return item
        return payload_formatters.decode_downlink(self._formatters(at), session.crypt(item))

    def _queue_anew(self, at: DeviceKey, session: Session, items: list[Json], but: str = "") -> None:
        """Numbers and encrypts anew what was queued in `session`."""
        readable = [session.crypt(item) for item in items]
        downlinks.operate(self._sessions[at], readable, skips=lambda session: self._skips_crypto(at, session), but=but)

    def _invalidated(self, at: DeviceKey, session: Session, send: Send) -> Published | None:
        """The queue's counters were passed by: the Application Server computes it anew, or tells the application."""
        content = session.evict()
        session.last_a_f_cnt_down = content["last_f_cnt_down"]
        published = None
        if self._skips_crypto(at, session):
            published = send(at, "downlink_queue_invalidated", content)
        elif content["downlinks"]:
            self._queue_anew(at, session, content["downlinks"])
        self._record_sessions(at)
        return published

    def _settle_confirmed(self, at: DeviceKey, session: Session, ack: bool, send: Send) -> None:
        """The uplink's ACK bit settles the confirmed downlink before it; after a nack the Application Server tries
        again, unless it skips payload crypto."""
        item, session.waiting = session.waiting, None
        if item is None:
            return
        readable = self._readable(at, session, item)
        if not ack and not self._skips_crypto(at, session):
            retry = item["confirmed_retry"]
            readable = readable | {"confirmed_retry": retry | {"attempt": retry["attempt"] + 1}}
            if again := downlinks.tried_again(readable):
                downlinks.operate(self._sessions[at], [again], skips=lambda session: self._skips_crypto(at, session))
        send(at, "downlink_ack" if ack else "downlink_nack", readable)

    def _transmit(self, at: DeviceKey, sessions: Sessions, send: Send) -> None:
        """A downlink slot. Nothing is sent in a session that no uplink confirmed."""
        session = sessions.current
        if session is None:
            return
        if session.too_low():
            self._invalidated(at, session, send)
            return
        failing = self._transmission_errors.get(at)
        item = session.send_head()
        if item is None:
            return
        readable = self._readable(at, session, item)
        if failing:
            session.waiting = None
            send(at, "downlink_failed", {"downlink": readable, "error": failing.pop(0).error_details()})
            return
        self._devices[at].receive(
            session.dev_addr, item["f_port"], item["f_cnt"], base64.b64decode(item.get("frm_payload", "")),
            confirmed=item.get("confirmed", False),
        )  # fmt: skip
        send(at, "downlink_sent", readable)
