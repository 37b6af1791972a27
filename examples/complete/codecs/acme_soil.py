"""Soil sensors of Acme, which send moisture and battery in two bytes or three."""

from collections.abc import Mapping

DEVICES = [
    {"brand_id": "acme", "model_id": "soil-1"},
]


def decode_uplink(payload: bytes, f_port: int, version_ids: Mapping[str, str]) -> dict[str, object]:
    """`moisture` in %, two bytes in hundredths; `battery` in %, which firmware 1.0 does not send yet."""
    decoded: dict[str, object] = {"moisture": int.from_bytes(payload[:2], "big") / 100}
    if f_port == 2 and version_ids.get("firmware_version", "1.0") != "1.0":
        decoded["battery"] = payload[2]
    return decoded
