"""A codec as a user writes it: a tank's level and battery, on FPort 40."""

from collections.abc import Mapping

DEVICES = [{"f_port": 40}]


def decode_uplink(payload: bytes, f_port: int, version_ids: Mapping[str, str]) -> dict[str, object]:
    return {"level": payload[0], "battery": payload[1] / 10}
