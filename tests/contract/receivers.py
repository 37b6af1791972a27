"""What an application publishes, as its users receive it: by webhook, or from The Things Stack's MQTT server."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

RECEIVED_WITHIN = 15.0
"""Seconds."""
KINDS = (
    "uplink_message", "join_accept", "downlink_ack", "downlink_nack", "downlink_sent", "downlink_failed",
    "downlink_queued", "downlink_queue_invalidated",
)  # fmt: skip
"""The messages of a device that the radio layer is about, as the fields of a message and of a webhook."""

Json = dict[str, Any]


class Messages:
    """Messages in the order in which they came, which need not be that in which they were published."""

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        self.stop = stop
        self._received: list[Json] = []
        self._changed = threading.Condition()

    def add(self, body: bytes) -> None:
        with self._changed:
            self._received.append(json.loads(body))
            self._changed.notify_all()

    def take(self, device_id: str, kind: str, timeout: float = RECEIVED_WITHIN) -> Json:
        """The next message of a kind about a device that was not taken yet. AssertionError: none comes."""
        found: list[Json] = []

        def arrived() -> bool:
            found[:] = [each for each in self._received
                        if kind in each and each["end_device_ids"]["device_id"] == device_id]  # fmt: skip
            return bool(found)

        with self._changed:
            came = self._changed.wait_for(arrived, timeout)
            others = [next((name for name in KINDS if name in each), "?") for each in self._received]
            assert came, f"no {kind} of {device_id} within {timeout} s; not taken: {others}"
            self._received.remove(found[0])
            return found[0]

    def has(self, device_id: str, kind: str) -> bool:
        """Whether a message is there that was not taken."""
        with self._changed:
            return any(kind in each and each["end_device_ids"]["device_id"] == device_id for each in self._received)


class WebhookListener:
    """An HTTP server on this machine that a webhook posts to, one path for each application."""

    def __init__(self) -> None:
        self._messages: dict[str, Messages] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="webhooks")
        self._thread.start()

    def url(self, application: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{application}"

    def messages(self, application: str) -> Messages:
        return self._messages.setdefault(application, Messages())

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener.messages(self.path.split("/")[1]).add(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Requests are not printed."""

        return Handler


def from_mqtt(host: str, port: int, *, tls: bool, username: str, api_key: str) -> Messages:
    """The messages of the application `username` (`<id>` or `<id>@<tenant>`) from the MQTT server of The Things Stack;
    REQUESTS_CA_BUNDLE names a file of certificate authorities, as it does for HTTP. ConnectionError: it is not reached,
    or refuses the key."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(username, api_key)
    if tls:
        client.tls_set_context(ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE")))
    subscribed, refused = threading.Event(), []

    def connected(_c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            refused.append(str(reason))
            subscribed.set()
        else:
            client.subscribe(f"v3/{username}/devices/+/#")

    def stop() -> None:
        client.disconnect()
        client.loop_stop()

    messages = Messages(stop)
    client.on_connect = connected
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _c, _u, message: messages.add(message.payload)
    client.connect(host, port)
    client.loop_start()
    if not subscribed.wait(RECEIVED_WITHIN) or refused:
        stop()
        raise ConnectionError(f"the MQTT server at {host}:{port} does not accept a subscription {' '.join(refused)}")
    return messages
