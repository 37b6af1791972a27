"""A codec that never comes to an end, and catches what would end it; on FPort 41."""

from collections.abc import Mapping

DEVICES = [{"f_port": 41}]


def decode_uplink(payload: bytes, f_port: int, version_ids: Mapping[str, str]) -> dict[str, object]:
    while True:
        try:
            while True:
                pass
        except Exception:  # noqa: S112
            continue
