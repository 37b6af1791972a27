"""How gateways received an uplink: metadata for each gateway, transmission settings, and time on air.

Radio propagation is not simulated: the values are given by the caller or fixed.
"""

from __future__ import annotations

import math

from local.things_stack.description.proto3_json import Json, base64_of, rfc3339
from local.things_stack.network.application_up import correlation_id

SIMULATED: Json = {
    "rx_metadata": [{"gateway_ids": {"gateway_id": "test"}, "rssi": 42, "snr": 4.2}],
    "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}, "frequency": "868000000"},
}
"""How an uplink is received that the Console simulates."""


def airtime(payload_bytes: int, spreading_factor: int = 7, bandwidth: int = 125000) -> str:
    """Time on air of an uplink with coding rate 4/5 and CRC, such as "0.056576s" (Semtech AN1200.13)."""
    symbol = 2**spreading_factor / bandwidth
    low_rate = 1 if symbol > 0.016 else 0
    bits = 8 * (payload_bytes + 13) - 4 * spreading_factor + 28 + 16
    symbols = 8 + max(math.ceil(bits / (4 * (spreading_factor - 2 * low_rate))) * 5, 0)
    return f"{(12.25 + symbols) * symbol:.6f}s"


def rx_metadata(count: int, *, rssi: float, snr: float, packet_broker: bool, received_at: int) -> list[Json]:
    """Receptions by `count` gateways, best first (`rssi` in dBm, `snr` in dB; 3 dB less for each further gateway). With
    `packet_broker`, the gateways belong to another network and are identified to Packet Broker."""
    metadata = []
    for i in range(count):
        gateway_id, eui = f"gateway-{i + 1}", f"58A0CBFFFE80{i + 1:04X}"
        reception: Json = {
            "gateway_ids": {"gateway_id": gateway_id, "eui": eui},
            "timestamp": received_at // 1000 % 2**32, "rssi": rssi - 3 * i, "channel_rssi": rssi - 3 * i,
            "snr": snr - 3 * i,
            "uplink_token": base64_of(f"{gateway_id}:{received_at}".encode()), "received_at": rfc3339(received_at),
        }  # fmt: skip
        if packet_broker:
            reception["gateway_ids"] = {"gateway_id": "packetbroker"}
            reception["packet_broker"] = {
                "message_id": correlation_id("pb").removeprefix("pb:"), "forwarder_net_id": "000013",
                "forwarder_tenant_id": "neighbour", "forwarder_cluster_id": "eu2.cloud.thethings.industries",
                "forwarder_gateway_eui": eui, "forwarder_gateway_id": gateway_id, "home_network_net_id": "000013",
                "home_network_tenant_id": "ttn", "home_network_cluster_id": "eu1.cloud.thethings.network",
            }  # fmt: skip
        metadata.append(reception)
    return metadata


def tx_settings(received_at: int, spreading_factor: int = 7) -> Json:
    """The radio settings of an uplink in Europe."""
    lora = {"bandwidth": 125000, "spreading_factor": spreading_factor, "coding_rate": "4/5"}
    timestamp = received_at // 1000 % 2**32
    return {"data_rate": {"lora": lora}, "frequency": "868100000", "timestamp": timestamp}
