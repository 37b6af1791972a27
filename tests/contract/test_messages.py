"""What an application receives: every kind of message of the simulation has the shape of the real one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from local.things_stack import ThingsStack
from local.things_stack.description.errors import ApiError
from local.things_stack.description.proto3_json import Json
from tests.contract.messages import recorded, shape

APPLICATION = "my-app"
KEK = bytes(range(16))
DOWNLINK = {"f_port": 15, "frm_payload": "Kgc=", "priority": "NORMAL"}
FORMATTERS = {
    "up_formatter": "FORMATTER_JAVASCRIPT",
    "up_formatter_parameter": """
        function decodeUplink(input) { return {data: {a: 1}, warnings: ["w"]} }
        function normalizeUplink(input) { return {data: [{air: {temperature: 21.5}}]} }
    """,
}


class Radio:
    """One device of the simulation, and the messages about it that were published."""

    def __init__(self, simulation: ThingsStack, device_id: str, **options: Any) -> None:
        self._network, self._at = simulation.network, (APPLICATION, device_id)
        dev_eui = f"A81758FFFE0000{len(simulation.servers.identity.devices):02X}"
        simulation.register_device(
            APPLICATION, device_id=device_id, dev_eui=dev_eui, join_eui="A81758FFFE000001", **options
        )

    def join(self) -> Json:
        return self._network.join(*self._at).message

    def uplink(self, **options: Any) -> Json:
        return self._network.uplink(*self._at, **{"f_port": 2, "frm_payload": b"\1\2\3", **options}).message

    def simulated(self) -> Json:
        return self._network.simulate_uplink(*self._at, f_port=1, frm_payload=b"\1\2\3").message

    def push(self, *, replace: bool = False, **downlink: Any) -> Json:
        """The message about a pushed downlink, whether it was queued or refused. A field that is None is left out."""
        given = {name: value for name, value in {**DOWNLINK, **downlink}.items() if value is not None}
        try:
            self._network.push(*self._at, [given], replace=replace)
        except ApiError:
            assert self.last.keys() >= {"downlink_failed"}
        return self.last

    @property
    def last(self) -> Json:
        return self._network.published[-1].message

    def about(self, kind: str) -> Json:
        return next(each.message for each in reversed(self._network.published) if each.kind == kind)

    def encrypted(self, session_key_id: str, f_cnt: int) -> Mapping[str, Any]:
        return {"session_key_id": session_key_id, "f_cnt": f_cnt, "frm_payload": base64.b64encode(b"xy").decode()}


def plain(simulation: ThingsStack) -> dict[str, Json]:
    radio, seen = Radio(simulation, "dev-a"), {}
    seen["downlink/failed, no_device_session"] = radio.push()
    seen["join"] = radio.join()
    seen["uplink, first of a session (no f_cnt)"] = radio.uplink()
    seen["downlink/queued, confirmed"] = radio.push(confirmed=True)
    seen["uplink"] = radio.uplink()
    seen["downlink/sent, confirmed"] = radio.last
    radio.uplink()
    seen["downlink/ack, confirmed"] = radio.about("downlink_ack")
    radio.push(confirmed=True)
    radio.uplink()
    radio.uplink(ack=False)
    seen["downlink/nack, confirmed"] = radio.about("downlink_nack")
    seen["downlink/queued"] = radio.push(replace=True)
    radio.uplink()
    seen["downlink/sent"] = radio.last
    seen["downlink/queued, from a decoded payload"] = radio.push(frm_payload=None, decoded_payload={"a": 1})
    seen["downlink/failed, downlink_expired"] = radio.push(class_b_c={"absolute_time": "2020-01-01T00:00:00Z"})
    seen["downlink/failed, no_f_port"] = radio.push(f_port=0, priority=None)
    seen["uplink, simulated"] = radio.simulated()
    decoded = Radio(simulation, "dev-e", formatters=FORMATTERS)
    decoded.join()
    decoded.uplink()
    seen["uplink, decoded and normalised"] = decoded.uplink()
    return seen


def encrypted(simulation: ThingsStack) -> dict[str, Json]:
    simulation.servers.join.settings[APPLICATION] = {"kek_label": "arn:kek-1", "kek": {"key": KEK.hex()}}
    simulation.servers.application.links[APPLICATION] = {"skip_payload_crypto": True}
    radio, seen = Radio(simulation, "dev-x"), {}
    seen["join, end-to-end encrypted"] = joined = radio.join()
    key_id = joined["join_accept"]["session_key_id"]
    seen["uplink, end-to-end encrypted, first of a session (no f_cnt)"] = radio.uplink()
    seen["downlink/invalidated, empty queue"] = radio.last
    pushed = radio.push(**radio.encrypted(key_id, 1), confirmed=True)
    seen["downlink/queued, confirmed, end-to-end encrypted"] = pushed
    seen["uplink, end-to-end encrypted, after a downlink"] = radio.uplink()
    seen["downlink/queued, end-to-end encrypted"] = radio.push(**radio.encrypted(key_id, 2))
    radio.uplink()
    seen["uplink, end-to-end encrypted, confirmed, after a downlink"] = radio.uplink(confirmed=True)
    seen["downlink/invalidated, empty queue, with last_f_cnt_down"] = radio.last
    seen["downlink/failed, f_cnt_too_low"] = radio.push(**radio.encrypted(key_id, 1))
    return seen


@pytest.fixture(scope="module")
def seen() -> dict[str, Json]:
    """Name of a recorded message → the body of the simulation in the same situation."""
    with ThingsStack() as simulation:
        simulation.create_application(APPLICATION)
        return plain(simulation) | encrypted(simulation)


@pytest.mark.parametrize("name", recorded())
def test_a_message_has_the_shape_of_the_real_one(name: str, seen: dict[str, Json]) -> None:
    assert shape(seen[name]) == recorded()[name]
