"""The uplink that is measured: as The Things Stack publishes one that three gateways received, about 1.8 KB of JSON."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Final, NamedTuple

from local.things_stack.description.proto3_json import rfc3339
from local.things_stack.network.application_up import correlation_id
from local.things_stack.network.reception import airtime, rx_metadata, tx_settings

STACK: Final = "bench"
DEV_EUI: Final = "A81758FFFE0312AB"
DEVICE_ID: Final = "tank-7"
GATEWAYS: Final = 3


def uplink(number: int) -> dict[str, Any]:
    """The uplink with that frame counter, received just now: a late one would cost a read more."""
    received_at = time.time_ns()
    return {
        "end_device_ids": {
            "device_id": DEVICE_ID,
            "application_ids": {"application_id": "farm-app"},
            "dev_eui": DEV_EUI,
            "join_eui": "A81758FFFE000001",
            "dev_addr": "260B1C2D",
        },
        "correlation_ids": [correlation_id("gs:uplink"), "rpc:/ttn.lorawan.v3.NsAs/HandleUplink"],
        "received_at": rfc3339(received_at),
        "uplink_message": {
            "session_key_id": "AYxyz0ABCDE=",
            "f_port": 2,
            "f_cnt": number,
            "frm_payload": "AQIDBAUGBwgJCg==",
            "decoded_payload": {"battery": 3.61, "humidity": 48.5, "level": 1234, "temperature": 21.4},
            "rx_metadata": rx_metadata(GATEWAYS, rssi=-71, snr=8.5, packet_broker=False, received_at=received_at),
            "settings": tx_settings(received_at),
            "received_at": rfc3339(received_at),
            "consumed_airtime": airtime(10),
            "version_ids": {
                "brand_id": "acme",
                "model_id": "tank-level",
                "hardware_version": "1.0",
                "firmware_version": "1.2",
                "band_id": "EU_863_870",
            },
            "network_ids": {"net_id": "000013", "tenant_id": "ttn", "cluster_id": "eu1"},
        },
    }


class Message(NamedTuple):
    """An uplink as each way gets it: read from JSON; as JSON; as the event of our rule."""

    body: dict[str, Any]
    raw: bytes
    event: dict[str, Any]

    @classmethod
    def numbered(cls, number: int) -> Message:
        """The uplink with that frame counter."""
        body = uplink(number)
        raw = json.dumps(body).encode()
        topic = f"thethings/lorawan/{STACK}/uplink"
        return cls(body, raw, {"topic": topic, "payload": base64.b64encode(raw).decode()})
