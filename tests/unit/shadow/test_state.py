"""The shadow `lorawan`: which fields a message reports."""

from typing import Any

import pytest

from tests import cases, events
from thingbridge.shadow import state
from thingbridge.shadow.state import ShadowSettings

IDS = {"device_id": "tank-7", "dev_addr": "260B1C2D"}


def uplink(**fields: Any) -> dict[str, Any]:
    return {"end_device_ids": IDS, "received_at": "2025-01-02T03:04:06Z", "uplink_message": fields}


def gateway(name: str, **fields: Any) -> dict[str, Any]:
    return {"gateway_ids": {"gateway_id": name}, **fields}


def test_an_uplink_reports_session_counter_and_best_reception() -> None:
    reported = state.metrics(
        uplink(
            session_key_id="AYxyz0ABCD==",
            f_cnt=17,
            received_at="2025-01-02T03:04:05.678901234Z",
            rx_metadata=[gateway("a", rssi=-71, snr=8.5), gateway("b", rssi=-110, snr=-3.2)],
        )
    )
    assert reported == {
        "lastSeen": "2025-01-02T03:04:05.678901234Z",
        "gateways": 2,
        "fCntUp": 17,
        "devAddr": "260B1C2D",
        "sessionID": "AYxyz0ABCD==",
        "rssi": -71,
        "snr": 8.5,
    }


def test_zero_values_that_the_json_omits_are_zero() -> None:
    reported = state.metrics(uplink(rx_metadata=[gateway("a", rssi=-120)]))
    assert reported is not None
    assert (reported["fCntUp"], reported["snr"], reported["rssi"]) == (0, 0, -120)


def test_a_missing_snr_is_zero_and_beats_a_negative_one() -> None:
    reported = state.metrics(uplink(rx_metadata=[gateway("a", rssi=-90, snr=-5), gateway("b", rssi=-95)]))
    assert reported is not None
    assert reported["snr"] == 0


def test_without_a_reception_the_last_radio_values_stay() -> None:
    reported = state.metrics(uplink(f_cnt=3))
    assert reported is not None
    assert reported["gateways"] == 0
    assert not {"rssi", "snr"} & reported.keys()


def test_rssi_and_snr_are_of_one_reception() -> None:
    case = cases.load("5-best-rssi-and-snr-are-a-pair")
    reported = state.metrics(uplink(**case["input"]["uplink_message"]))
    assert reported is not None
    assert {name: reported[name] for name in case["expected"]["reported"]} == case["expected"]["reported"]


@pytest.mark.parametrize(
    ("receptions", "pair"),
    [
        ([{"rssi": -80, "snr": 5}, {"rssi": -70, "snr": 5}], {"rssi": -70, "snr": 5}),
        ([{"packet_broker": {}}, {"rssi": -119, "snr": -12.5}], {"rssi": -119, "snr": -12.5}),
        ([{"packet_broker": {}}], {}),
        ([{"snr": 4}], {}),
        ([{"rssi": float("nan"), "snr": 4}, {"rssi": -90, "snr": "x"}, {"rssi": 10**400}, {"rssi": True}], {}),
        ([{"rssi": -90, "snr": None}], {"rssi": -90, "snr": 0}),
    ],
    ids=["of equal SNR the louder", "hidden beside measured", "hidden", "no RSSI", "no numbers", "SNR 0"],
)
def test_what_a_reception_does_not_say_is_left_out(receptions: list[Any], pair: dict[str, Any]) -> None:
    reported = state.metrics(uplink(rx_metadata=receptions))
    assert reported is not None
    assert {name: value for name, value in reported.items() if name in ("rssi", "snr")} == pair
    assert reported["gateways"] == len(receptions)


@pytest.mark.parametrize("never", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:03Z", "2026-13-01T00:00:00Z", "", 5])
def test_a_time_before_the_device_existed_is_ignored(never: Any) -> None:
    body = uplink(f_cnt=1, received_at=never)
    reported = state.metrics(body)
    assert reported is not None
    assert reported["lastSeen"] == body["received_at"]
    join = {**body, "received_at": never, "join_accept": {"received_at": never}}
    del join["uplink_message"]
    assert state.received_at(join) is None
    assert not {"lastSeen", "activated"} & (state.metrics(join) or {}).keys()


def test_antennas_of_one_gateway_count_once() -> None:
    receptions = [gateway("a", antenna_index=0, rssi=-80), gateway("a", antenna_index=1, rssi=-79)]
    reported = state.metrics(uplink(rx_metadata=receptions))
    assert reported is not None
    assert (reported["gateways"], reported["rssi"]) == (1, -79)


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
    reported = state.metrics(uplink(rx_metadata=receptions))
    assert reported is not None
    assert reported["gateways"] == 4


def test_a_join_resets_the_session_and_reports_when() -> None:
    body = {
        "end_device_ids": IDS,
        "received_at": "2025-01-02T03:00:00Z",
        "join_accept": {"session_key_id": "AYx=", "received_at": "2025-01-02T02:59:59Z"},
    }
    assert state.metrics(body) == {
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
def test_a_message_without_state_reports_nothing(body: dict[str, Any]) -> None:
    assert state.metrics(body) is None


@pytest.mark.parametrize(
    "receptions", ["text", True, [None, "x", 3], [{"gateway_ids": "x", "rssi": "loud", "snr": True}]]
)
def test_receptions_of_another_shape_are_ignored(receptions: object) -> None:
    assert state.metrics(uplink(f_cnt=1, rx_metadata=receptions)) is not None


def test_a_text_that_a_shadow_can_not_hold_is_omitted() -> None:
    reported = state.metrics(uplink(session_key_id="\ud800", f_cnt=1, received_at="2025-01-02T03:04:05\udfffZ"))
    assert reported is not None
    assert reported["fCntUp"] == 1
    assert "sessionID" not in reported
    assert reported["lastSeen"] == "2025-01-02T03:04:06Z"


def test_a_first_uplink_and_the_one_after_it_report_their_counters() -> None:
    for example, f_cnt in (("uplink_first_of_session", 0), ("uplink", 1)):
        body = events.load(f"things_stack/{example}")
        assert state.metrics(body) == {
            "lastSeen": body["uplink_message"]["received_at"],
            "gateways": 1,
            "fCntUp": f_cnt,
            "devAddr": "260B1C2D",
            "sessionID": body["uplink_message"]["session_key_id"],
            "rssi": -71,
            "snr": 7.5,
        }


def test_without_metrics_the_shadow_is_left_alone() -> None:
    settings = ShadowSettings(metrics=False)
    assert state.reported(events.load("things_stack/uplink"), settings).fields == {}


def test_the_decoded_payload_is_reported_only_if_the_settings_enable_it() -> None:
    body = events.load("things_stack/uplink_decoded")
    assert "decodedPayload" not in state.reported(body, ShadowSettings()).fields
    reported = state.reported(body, ShadowSettings(metrics=False, decoded_payload=True))
    assert reported.fields == {"decodedPayload": {"a": 1}}


def test_the_counter_of_a_queued_downlink_is_reported_only_if_this_stack_numbers_downlinks() -> None:
    body = {"end_device_ids": IDS, "downlink_queued": {"f_cnt": 9}}
    assert state.reported(body, ShadowSettings()).fields == {}
    assert state.reported(body, ShadowSettings(), own_counters=True).fields == {"fCntDown": 9}


@pytest.mark.parametrize(
    ("output", "reported"),
    [
        ({"a": 1}, {"decodedPayload": {"a": 1}}),
        ({"state": {"a": 1}, "b": 2}, {"decodedPayload": {"a": 1}}),
        ({"state": "on", "b": 2}, {"decodedPayload": {"state": "on", "b": 2}}),
        ({}, {}),
        ("text", {}),
        (None, {}),
    ],
)
def test_a_decoders_state_is_reported_or_else_its_whole_output(output: Any, reported: Any) -> None:
    assert state.decoded({"uplink_message": {"decoded_payload": output}}) == (reported, None)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05.5Z"),
        ("2025-01-02T03:04:05.5Z", "2025-01-02T03:04:05.500000001Z"),
        ("2025-01-02T03:04:59.999999999Z", "2025-01-02T03:05:00Z"),
    ],
)
def test_times_sort_whatever_digits_they_omit(earlier: str, later: str) -> None:
    first, second = (state.received_at({"uplink_message": {"received_at": each}}) for each in (earlier, later))
    assert first
    assert second
    assert first < second


def test_a_message_without_a_readable_time_has_none() -> None:
    assert state.received_at({"uplink_message": {"received_at": "yesterday"}, "received_at": 7}) is None
    assert state.received_at({"received_at": "2025-01-02T03:04:05Z"}) == "2025-01-02T03:04:05.000000000Z"


def test_a_shadow_without_radio_lacks_what_follows_from_all_receptions_alone() -> None:
    body = events.load("things_stack/uplink")
    everything, without = (state.reported(body, ShadowSettings(radio=radio)).fields for radio in (True, False))
    assert everything.keys() - without.keys() == {"gateways", "rssi", "snr"}
    assert without.items() <= everything.items()
