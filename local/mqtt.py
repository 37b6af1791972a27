"""MQTT 3.1.1 to AWS IoT: over WebSocket, signed with Signature Version 4, or over TLS with a client certificate.

One connection of one client: publish, subscribe, and what was received. The simulated Things Stack, the
demo, `thingbridge-local watch` and the end-to-end tests use it. It neither reconnects nor renews
credentials: open a new connection for that. Topics are the callers'.
"""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.credentials
import paho.mqtt.client as paho
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

SERVICE = "iotdevicegateway"
PATH = "/mqtt"
DEFAULT_TIMEOUT = 10.0
SUBSCRIPTION_REFUSED = 0x80


class MqttError(Exception):
    """The connection could not be opened or was closed, or a request was refused or not confirmed."""


@dataclass(frozen=True)
class Credentials:
    """AWS credentials; `session_token` only for temporary ones (an assumed role)."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Message:
    """One received message. `received_at` is Unix time in seconds, taken when the packet was read."""

    topic: str
    payload: bytes
    received_at: float

    def json(self) -> Any:
        """The payload as JSON. Raises ValueError when it is not."""
        return json.loads(self.payload)


def presigned_path(host: str, region: str, credentials: Credentials) -> str:
    """`/mqtt?X-Amz-…`: the signed path for a WebSocket upgrade on `host` (exactly the Host that is sent).

    AWS IoT requires, unlike for any other presigned URL, that the session token is appended after signing.
    """
    request = AWSRequest("GET", f"wss://{host}{PATH}")
    signer = botocore.credentials.Credentials(credentials.access_key, credentials.secret_key)
    SigV4QueryAuth(signer, SERVICE, region, expires=300).add_auth(request)
    path = f"{PATH}?{urlsplit(request.url).query}"
    if credentials.session_token:
        path += f"&X-Amz-Security-Token={quote(credentials.session_token, safe='')}"
    return path


class MqttConnection:
    """An open connection; created by `connect`. Safe to use from several threads, and as a context manager.

    Messages are kept in the order of arrival (`messages()`), and passed to the callback of each subscription
    that matches, on the connection's own thread: a callback must not call `publish(qos=1)` or `subscribe` on
    the same connection, since it would wait for a response that only its own thread can read.
    """

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._callbacks: list[tuple[str, Callable[[Message], None]]] = []
        self._granted: dict[int, bool] = {}
        self._opened = False
        self._closed_because: str | None = None
        self._closing = False
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_open = self._on_socket_open

    # What a user calls

    @property
    def connected(self) -> bool:
        """Whether the connection is open, as far as this side knows."""
        return self._opened and self._closed_because is None

    def publish(
        self,
        topic: str,
        payload: bytes | str | dict[str, Any] | list[Any],
        *,
        qos: int = 1,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> float:
        """Publish (a dict or list as JSON). Returns the Unix time at which it was passed to the connection.

        With `qos=1` it waits for the broker's acknowledgement. Raises MqttError when none arrives within
        `timeout` seconds or the connection ends first, which is how AWS IoT refuses a topic that the caller's
        policy does not allow.
        """
        data = json.dumps(payload).encode() if isinstance(payload, dict | list) else payload
        what = f"publish on {topic}"
        self._require_open(what)
        sent_at = time.time()
        deadline = time.monotonic() + timeout
        info = self._client.publish(topic, data, qos=qos)
        try:
            while info.rc != paho.MQTT_ERR_SUCCESS or (qos and not info.is_published()):
                self._require_open(what)
                if time.monotonic() >= deadline:
                    raise MqttError(f"could not {what}: not acknowledged within {timeout:g} s")
                info.wait_for_publish(0.05)
        except (RuntimeError, ValueError) as error:
            # paho raises when the connection was lost in the meantime; the reason is known a moment later.
            with self._changed:
                self._changed.wait_for(lambda: self._closed_because is not None, timeout=1)
                self._raise_if_closed(what)
            raise MqttError(f"could not {what}: {error}") from error
        return sent_at

    def subscribe(
        self,
        topic_filter: str,
        callback: Callable[[Message], None] | None = None,
        *,
        qos: int = 1,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Subscribe, and wait until the broker confirms. Raises MqttError when it refuses."""
        what = f"subscribe to {topic_filter}"
        self._require_open(what)
        if callback:
            self._callbacks.append((topic_filter, callback))
        rc, mid = self._client.subscribe(topic_filter, qos=qos)
        if rc != paho.MQTT_ERR_SUCCESS or mid is None:
            raise MqttError(f"could not {what}: {paho.error_string(rc)}")
        self._wait(lambda: mid in self._granted, timeout, what)
        if not self._granted[mid]:
            raise MqttError(f"could not {what}: refused")

    def messages(self, topic_filter: str = "#") -> list[Message]:
        """Everything received so far whose topic matches, oldest first."""
        with self._changed:
            return [message for message in self._messages if matches(topic_filter, message.topic)]

    def wait_for(
        self,
        topic_filter: str,
        condition: Callable[[Message], bool] | None = None,
        *,
        after: int = 0,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Message:
        """The first matching message, already received or within `timeout` seconds.

        `after` skips that many of the messages received on the connection (`len(c.messages())` before the
        action). Raises MqttError, naming the topics of the messages that did arrive.
        """
        deadline = time.monotonic() + timeout
        seen = after
        with self._changed:
            while True:
                for message in self._messages[seen:]:
                    if matches(topic_filter, message.topic) and (condition is None or condition(message)):
                        return message
                seen = max(seen, len(self._messages))
                self._raise_if_closed(f"wait for a message on {topic_filter}")
                left = deadline - time.monotonic()
                if left <= 0:
                    topics = sorted({message.topic for message in self._messages[after:]}) or ["nothing"]
                    raise MqttError(f"no such message on {topic_filter} within {timeout:g} s; got: {', '.join(topics)}")
                self._changed.wait(left)

    def stream(self) -> Iterator[Message]:
        """Every message since the first one, as they arrive; ends when this side closes the connection."""
        seen = 0
        while True:
            with self._changed:
                while len(self._messages) <= seen and not self._closing:
                    self._raise_if_closed("wait for messages")
                    self._changed.wait(0.5)
                if self._closing and len(self._messages) <= seen:
                    return
                fresh = self._messages[seen:]
            seen += len(fresh)
            yield from fresh

    def wait_until_closed(self) -> str:
        """Wait for the end of the connection. Returns its reason."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed_because is not None)
            return str(self._closed_because)

    def clear(self) -> None:
        """Discard the messages received so far."""
        with self._changed:
            self._messages.clear()

    def close(self) -> None:
        """Disconnect and stop the connection's thread. Closing twice is harmless."""
        self._closing = True
        with self._changed:
            self._changed.notify_all()
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> MqttConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the connection's thread calls

    def _on_socket_open(self, _client: object, _userdata: object, sock: Any) -> None:
        # Without it, a publish that follows an acknowledgement waits 40 ms for the other side's delayed ACK.
        raw = getattr(sock, "_socket", sock)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, _client: object, _userdata: object, _flags: object, code: ReasonCode, _props: object) -> None:
        with self._changed:
            if code.is_failure:
                self._closed_because = str(code)
            else:
                self._opened = True
            self._changed.notify_all()

    def _on_connect_fail(self, *_: object) -> None:
        with self._changed:
            self._closed_because = "the broker closed it during the handshake (wrong credentials, clock or host?)"
            self._changed.notify_all()

    def _on_disconnect(
        self, _client: object, _userdata: object, _flags: object, code: ReasonCode, _props: object
    ) -> None:
        with self._changed:
            self._closed_because = self._closed_because or (
                "closed" if self._closing else f"closed by the broker ({code})"
            )
            self._changed.notify_all()

    def _on_subscribe(
        self, _client: object, _userdata: object, mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        with self._changed:
            self._granted[mid] = all(code.value < SUBSCRIPTION_REFUSED for code in codes)
            self._changed.notify_all()

    def _on_message(self, _client: object, _userdata: object, packet: paho.MQTTMessage) -> None:
        message = Message(packet.topic, bytes(packet.payload), time.time())
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()
        for topic_filter, callback in list(self._callbacks):
            if matches(topic_filter, message.topic):
                callback(message)

    # Waiting

    def open(self, host: str, port: int, client_id: str, timeout: float) -> None:
        """Connect, and wait for the broker's response. Called by `connect`."""
        what = f"connect to {host}:{port} as {client_id}"
        try:
            self._client.connect(host, port, keepalive=30)
        except (OSError, ValueError, paho.WebsocketConnectionError) as error:
            raise MqttError(f"could not {what}: {error or type(error).__name__}") from error
        self._client.loop_start()
        try:
            self._wait(lambda: self._opened, timeout, what)
        except MqttError:
            self.close()
            raise

    def _require_open(self, what: str) -> None:
        with self._changed:
            self._raise_if_closed(what)

    def _raise_if_closed(self, what: str) -> None:
        if self._closed_because is not None and not (self._closing and what == "wait for messages"):
            raise MqttError(f"could not {what}: the connection is {self._closed_because}")

    def _wait(self, done: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        with self._changed:
            while not done():
                self._raise_if_closed(what)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise MqttError(f"could not {what}: no answer within {timeout:g} s")
                self._changed.wait(left)


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT's own matching, `+` and `#`; a leading wildcard does not match `$…` topics."""
    return paho.topic_matches_sub(topic_filter, topic)


def connect(
    endpoint_url: str | None,
    host: str,
    region: str,
    credentials: Credentials,
    client_id: str,
    *,
    timeout: float = DEFAULT_TIMEOUT,
) -> MqttConnection:
    """Open a connection, and return it once the broker has accepted it.

    `endpoint_url` is the address to connect to ("http://127.0.0.1:4566"; None: TLS on port 443 of `host`). `host` is
    the name that DescribeEndpoint returns (with its port, if it has one): it is sent as Host and signed, and
    need not resolve. Raises MqttError when the handshake is refused or not answered within `timeout` seconds.
    """
    address = urlsplit(endpoint_url or f"https://{host}")
    tls = address.scheme in ("https", "wss")
    if not address.hostname:
        raise ValueError(f"{endpoint_url!r} is not a URL with a host")
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, transport="websockets", reconnect_on_failure=False
    )
    client.connect_timeout = timeout
    client.ws_set_options(path=presigned_path(host, region, credentials), headers={"Host": host})
    if tls:
        client.tls_set_context(ssl.create_default_context())
    connection = MqttConnection(client)
    connection.open(address.hostname, address.port or (443 if tls else 80), client_id, timeout)
    return connection


def connect_with_certificate(
    host: str,
    port: int,
    client_id: str,
    *,
    certificate: str,
    private_key: str,
    authority: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> MqttConnection:
    """Open a connection over TLS with a client certificate, and return it once the broker has accepted it.

    `certificate`, `private_key` and `authority` are PEMs; without `authority`, the system's are trusted. Raises
    MqttError when the handshake is refused or not answered within `timeout` seconds.
    """
    try:
        context = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile("w") as chain:  # readable by this user only; ssl reads keys from files only
            chain.write(f"{certificate}\n{private_key}")
            chain.flush()
            context.load_cert_chain(chain.name)
    except ssl.SSLError as error:
        raise MqttError(f"could not use the certificates: {error}") from error
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
    client.connect_timeout = timeout
    client.tls_set_context(context)
    connection = MqttConnection(client)
    connection.open(host, port, client_id, timeout)
    return connection
