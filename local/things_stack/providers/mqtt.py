"""The pub/sub provider `mqtt`: one connection to any MQTT server, over TLS with a client certificate.

As in the open-source Stack: one client id for publishing and subscribing, a topic for each kind of message, and no
subscription without a topic. Only `mqtts://` is simulated.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

from local import mqtt
from local.things_stack.description.proto3_json import Json
from local.things_stack.network.application_up import Published
from local.things_stack.providers.kept_connection import ACKNOWLEDGED_WITHIN, KeptConnection, NotConfigured
from local.things_stack.providers.status import Status


class MqttProvider(KeptConnection):
    """One pub/sub integration with an MQTT server."""

    def __init__(
        self, record: Json, status: Status, push: Callable[[str, list[Json], bool], None], changed: Callable[[], None]
    ) -> None:
        self._record, self._settings = record, record["mqtt"]
        self.qos = 1 if self._settings.get("publish_qos", "AT_MOST_ONCE") != "AT_MOST_ONCE" else 0
        super().__init__(f"mqtt {record['ids']['pub_sub_id']}", status, push, changed)

    def _topic(self, published: Published) -> str | None:
        if published.kind == "raw":
            return self._below(published.topic)
        message = self._record.get(published.kind)
        return None if message is None else self._below(message.get("topic", ""))

    def _below(self, topic: str) -> str:
        return "/".join(part for part in (self._record.get("base_topic", ""), topic) if part)

    def _connect(self) -> mqtt.MqttConnection:
        address = urlsplit(self._settings.get("server_url", ""))
        if address.scheme != "mqtts" or not address.hostname or not self._settings.get("use_tls"):
            raise NotConfigured("only mqtts:// with TLS is simulated")
        pems = {
            name: base64.b64decode(self._settings.get(name, "")).decode()
            for name in ("tls_ca", "tls_client_cert", "tls_client_key")
        }
        connection = mqtt.connect_with_certificate(
            address.hostname,
            address.port or 8883,
            self._settings.get("client_id", ""),
            certificate=pems["tls_client_cert"],
            private_key=pems["tls_client_key"],
            authority=pems["tls_ca"] or None,
            timeout=ACKNOWLEDGED_WITHIN,
        )
        requests = {"downlink_push": False, "downlink_replace": True}
        topics = {
            self._below(self._record[kind].get("topic", "")): replace
            for kind, replace in requests.items()
            if kind in self._record
        }
        self._subscribe(connection, topics)
        return connection
