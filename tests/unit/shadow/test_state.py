"""The shadow `lorawan`: which fields a message reports."""

from typing import Any

import pytest

from thingbridge.messaging import shadow

IDS = {"device_id": "tank-7", "dev_addr": "260B1C2D"}


def uplink(**fields: Any) -> dict[str, Any]:
    return {"end_device_ids": IDS, "received_at": "2025-01-02T03:04:06Z", "uplink_message": fields}


def gateway(name: str, **fields: Any) -> dict[str, Any]:
    return {"gateway_ids": {"gateway_id": name}, **fields}


def test_an_uplink_reports_session_counter_and_best_reception() -> None:
    state = shadow.metrics(
        uplink(
            session_key_id="AYxyz0ABCD==",
            f_cnt=17,
            received_at="2025-01-02T03:04:05.678901234Z",
            rx_metadata=[gateway("a", rssi=-71, snr=8.5), gateway("b", rssi=-110, snr=-3.2)],
        )
    )
    assert state == {
        "lastSeen": "2025-01-02T03:04:05.678901234Z",
        "gateways": 2,
        "fCntUp": 17,
        "devAddr": "260B1C2D",
        "sessionID": "AYxyz0ABCD==",
        "rssi": -71,
        "snr": 8.5,
    }


def test_zero_values_that_the_json_leaves_out_are_zero() -> None:
    state = shadow.metrics(uplink(rx_metadata=[gateway("a", rssi=-120)]))
    assert state is not None
    assert (state["fCntUp"], state["snr"], state["rssi"]) == (0, 0, -120)


def test_a_missing_snr_is_zero_and_beats_a_negative_one() -> None:
    state = shadow.metrics(uplink(rx_metadata=[gateway("a", rssi=-90, snr=-5), gateway("b", rssi=-95)]))
    assert state is not None
    assert state["snr"] == 0


def test_without_a_reception_the_last_radio_values_stay() -> None:
    state = shadow.metrics(uplink(f_cnt=3))
    assert state is not None
    assert state["gateways"] == 0
    assert not {"rssi", "snr"} & state.keys()


def test_antennas_of_one_gateway_count_once() -> None:
    receptions = [gateway("a", antenna_index=0, rssi=-80), gateway("a", antenna_index=1, rssi=-79)]
    state = shadow.metrics(uplink(rx_metadata=receptions))
    assert state is not None
    assert (state["gateways"], state["rssi"]) == (1, -79)


def test_gateways_behind_packet_broker_count_one_by_one() -> None:
    def forwarded(**fields: str) -> dict[str, Any]:
        return gateway("packetbroker", rssi=-100, packet_broker={"forwarder_net_id": "000013", **fields})

    receptions = [
        forwarded(forwarder_gateway_eui="58A0CBFFFE800001"),
        forwarded(forwarder_gateway_eui="58A0CBFFFE800002"),
        forwarded(forwarder_gateway_eui="58A0CBFFFE800002"),
        forwarded(forwarder_gateway_id="roof"),
        forwarded(forwarder_gateway_id="roof", forwarder_tenant_id="other"),
    ]
    state = shadow.metrics(uplink(rx_metadata=receptions))
    assert state is not None
    assert state["gateways"] == 4


def test_a_join_resets_the_session_and_tells_when() -> None:
    body = {
        "end_device_ids": IDS,
        "received_at": "2025-01-02T03:00:00Z",
        "join_accept": {"session_key_id": "AYx=", "received_at": "2025-01-02T02:59:59Z"},
    }
    assert shadow.metrics(body) == {
        "activated": "2025-01-02T02:59:59Z",
        "lastSeen": "2025-01-02T02:59:59Z",
        "devAddr": "260B1C2D",
        "sessionID": "AYx=",
        "fCntUp": 0,
        "fCntDown": 0,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"end_device_ids": IDS, "downlink_ack": {"f_port": 1}},
        {"end_device_ids": IDS, "uplink_message": "nonsense"},
        {"end_device_ids": IDS},
    ],
)
def test_a_message_that_says_nothing_about_the_state_reports_nothing(body: dict[str, Any]) -> None:
    assert shadow.metrics(body) is None


@pytest.mark.parametrize(
    "receptions", ["text", True, [None, "x", 3], [{"gateway_ids": "x", "rssi": "loud", "snr": True}]]
)
def test_receptions_of_another_shape_do_not_stop_the_message(receptions: object) -> None:
    assert shadow.metrics(uplink(f_cnt=1, rx_metadata=receptions)) is not None


def test_a_text_that_no_shadow_can_hold_is_passed_over() -> None:
    state = shadow.metrics(uplink(session_key_id="\ud800", f_cnt=1, received_at="2025-01-02T03:04:05\udfffZ"))
    assert state is not None
    assert state["fCntUp"] == 1
    assert "sessionID" not in state
    assert state["lastSeen"] == "2025-01-02T03:04:06Z"
