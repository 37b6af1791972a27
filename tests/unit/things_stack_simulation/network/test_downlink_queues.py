"""The downlink queue: rejections, the order of Class A, acknowledgements, sessions."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from local.things_stack import ThingsStack
from local.things_stack.network.sessions import CAPACITY
from tests.unit.things_stack_simulation.conftest import APP, DEVICE, Client, error_of
from tests.unit.things_stack_simulation.network.conftest import DOWN, kinds, push

ITEM = {"f_port": 15, "frm_payload": "Kgc=", "priority": "NORMAL", "correlation_ids": ["my:1"]}


@pytest.fixture
def joined(simulation: ThingsStack, device: str) -> str:
    simulation.network.join(APP, device)
    simulation.network.published.clear()
    return device


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"f_port": 1}, (400, "pkg/applicationserver:no_payload")),
        ({"frm_payload": "AQ=="}, (400, "pkg/applicationserver:no_f_port")),
        ({"f_port": 1, "frm_payload": base64.b64encode(bytes(243)).decode()},
         (400, "pkg/networkserver:application_downlink_too_long")),
        ({**ITEM, "confirmed": True, "confirmed_retry": {"max_attempts": 33}},
         (400, "pkg/applicationserver:downlink_max_retries_invalid")),
    ],
)  # fmt: skip
def test_a_downlink_that_can_not_be_sent_is_rejected(
    simulation: ThingsStack, joined: str, client: Client, item: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert error_of(push(client, ITEM, item)) == expected
    assert client.json("GET", DOWN) == {}
    # What the servers refuse is published; what can't be encoded is not.
    refused = "max_retries" not in expected[1] and "no_payload" not in expected[1]
    assert kinds(simulation) == ["downlink_failed"] * 2 * refused
    simulation.assert_no_violations()


def test_a_downlink_to_a_device_that_has_not_joined_or_is_unknown_is_rejected(device: str, client: Client) -> None:
    assert error_of(push(client, ITEM)) == (400, "pkg/applicationserver:no_device_session")
    answer = client.call("POST", DOWN.replace(DEVICE, "tank-8") + "/push", {"downlinks": [ITEM]})
    assert error_of(answer) == (404, "pkg/applicationserver:device_not_found")


def test_a_full_queue_rejects_all_of_a_push(simulation: ThingsStack, joined: str, client: Client) -> None:
    simulation.network.push(APP, joined, [ITEM] * (CAPACITY - 1))
    assert error_of(push(client, ITEM, ITEM)) == (429, "pkg/networkserver:downlink_queue_capacity")
    assert push(client, ITEM).status_code == 200


def test_push_appends_and_replace_replaces(simulation: ThingsStack, joined: str, client: Client) -> None:
    push(client, ITEM)
    push(client, {**ITEM, "f_port": 16})
    queue = client.json("GET", DOWN)["downlinks"]
    assert [(item["f_port"], item["f_cnt"]) for item in queue] == [(15, 1), (16, 2)]
    assert "my:1" in queue[0]["correlation_ids"]
    push(client, {**ITEM, "f_port": 17}, how="replace")
    assert [item["f_port"] for item in client.json("GET", DOWN)["downlinks"]] == [17]
    push(client, how="replace")
    assert client.json("GET", DOWN) == {}
    assert kinds(simulation) == ["downlink_queued"] * 3
    simulation.assert_no_violations()


def test_a_queued_downlink_is_published_without_session_and_a_sent_one_without_its_attempts(
    simulation: ThingsStack, joined: str, client: Client
) -> None:
    push(client, {**ITEM, "confirmed": True})
    simulation.network.uplink(APP, joined)
    queued, _, sent = (each.message for each in list(simulation.network.published)[-3:])
    fields = {"f_port", "frm_payload", "confirmed", "priority", "correlation_ids"}
    assert set(queued["downlink_queued"]) == fields | {"confirmed_retry"}
    assert set(sent["downlink_sent"]) == fields | {"session_key_id", "f_cnt"}


def test_one_downlink_follows_each_uplink(simulation: ThingsStack, joined: str, client: Client) -> None:
    push(client, ITEM, {**ITEM, "f_port": 16})
    simulation.network.uplink(APP, joined)
    assert [item["f_port"] for item in simulation.network.received(APP, joined)] == [15]
    assert kinds(simulation) == ["downlink_queued", "downlink_queued", "uplink_message", "downlink_sent"]
    sent = simulation.network.published[-1].message
    assert "my:1" in sent["correlation_ids"]
    assert sent["downlink_sent"]["f_port"] == 15
    simulation.network.uplink(APP, joined)
    simulation.network.uplink(APP, joined)
    assert [item["f_port"] for item in simulation.network.received(APP, joined)] == [15, 16]


def test_class_c_receives_at_once_when_an_uplink_has_confirmed_its_session(
    simulation: ThingsStack, client: Client
) -> None:
    simulation.register_device(APP, device_id=DEVICE, dev_eui="00" * 7 + "01", supports_class_c=True)
    simulation.network.join(APP, DEVICE)
    push(client, ITEM)
    assert simulation.network.received(APP, DEVICE) == []
    simulation.network.uplink(APP, DEVICE)
    push(client, {**ITEM, "f_port": 16})
    assert kinds(simulation)[1:] == [
        "downlink_queued", "uplink_message", "downlink_sent", "downlink_queued", "downlink_sent",
    ]  # fmt: skip
    assert [(item["f_port"], item["frm_payload"]) for item in simulation.network.received(APP, DEVICE)] == [
        (15, "Kgc="), (16, "Kgc="),
    ]  # fmt: skip


def test_a_confirmed_downlink_is_acknowledged_by_the_next_uplink(
    simulation: ThingsStack, joined: str, client: Client
) -> None:
    push(client, {**ITEM, "confirmed": True})
    simulation.network.uplink(APP, joined)
    simulation.network.uplink(APP, joined)
    assert kinds(simulation)[2:] == ["downlink_sent", "downlink_ack", "uplink_message"]


def test_an_unacknowledged_downlink_is_retried_until_no_attempts_are_left(
    simulation: ThingsStack, joined: str, client: Client
) -> None:
    push(client, {**ITEM, "confirmed": True, "confirmed_retry": {"max_attempts": 2}})
    for _ in range(4):
        simulation.network.uplink(APP, joined, ack=False)
    assert kinds(simulation).count("downlink_sent") == 2
    nacks = [item.message["downlink_nack"] for item in simulation.network.published if item.kind == "downlink_nack"]
    assert [nack["confirmed_retry"]["attempt"] for nack in nacks] == [2, 3]
    (failed,) = (each for each in simulation.network.published if each.kind == "downlink_failed")
    assert failed.message["downlink_failed"]["error"]["name"] == "max_retries_reached"
    assert kinds(simulation)[-4:-2] == ["downlink_failed", "downlink_nack"]


def test_a_failed_transmission_is_published_with_its_error(
    simulation: ThingsStack, joined: str, client: Client
) -> None:
    push(client, ITEM)
    simulation.network.fail_next_downlink(APP, joined)
    simulation.network.uplink(APP, joined)
    failed = simulation.network.published[-1]
    assert failed.topic == "downlink/failed"
    assert failed.message["downlink_failed"]["downlink"]["frm_payload"] == "Kgc="
    assert failed.message["downlink_failed"]["error"]["name"] == "transmission"
    assert "my:1" in failed.message["correlation_ids"]
    assert simulation.network.received(APP, joined) == []


def test_a_new_session_inherits_the_queue(simulation: ThingsStack, joined: str, client: Client) -> None:
    simulation.network.uplink(APP, joined)
    push(client, ITEM)
    join = simulation.network.join(APP, joined).message["join_accept"]
    assert set(join) == {"session_key_id", "received_at"}
    simulation.network.uplink(APP, joined)
    received = simulation.network.received(APP, joined)
    assert [(item["f_cnt"], item["frm_payload"]) for item in received] == [(1, "Kgc=")]
    assert simulation.network.published[-1].message["downlink_sent"]["session_key_id"] == join["session_key_id"]


@pytest.mark.parametrize(("profile", "others"), [("hosted", 429), ("open-source", 200)])
def test_downlink_requests_are_limited_for_an_application_or_for_each_device(
    simulation: ThingsStack, joined: str, client: Client, others: int
) -> None:
    simulation.register_device(APP, device_id="tank-8", dev_eui="00" * 7 + "01")
    simulation.network.join(APP, "tank-8")
    simulation.limit_downlinks(2)
    assert [push(client, ITEM).status_code for _ in range(3)] == [200, 200, 429]
    other = client.call("POST", DOWN.replace(joined, "tank-8") + "/push", {"downlinks": [ITEM]})
    assert other.status_code == others
    simulation.advance(60)
    assert push(client, ITEM).status_code == 200


def counters(simulation: ThingsStack, device: str) -> int:
    return int(simulation.servers.network.devices[APP, device].get("session", {}).get("last_n_f_cnt_down", 0))


def test_the_network_sends_by_itself_and_uses_counters_for_it(
    simulation: ThingsStack, joined: str, client: Client
) -> None:
    simulation.network.uplink(APP, joined)  # asks for the device's status, with the counter 0
    simulation.network.uplink(APP, joined)
    assert counters(simulation, joined) == 0
    for used in (1, 2):
        simulation.network.uplink(APP, joined, confirmed=True)
        assert counters(simulation, joined) == used
    push(client, ITEM)
    simulation.network.uplink(APP, joined)
    assert [item["f_cnt"] for item in simulation.network.received(APP, joined)] == [3]


def test_the_network_asks_for_the_status_as_often_as_the_device_is_set_to(simulation: ThingsStack, joined: str) -> None:
    simulation.servers.network.devices[APP, joined]["mac_settings"] = {"status_count_periodicity": 2}
    for expected in (0, 0, 1, 1, 2):
        simulation.network.uplink(APP, joined)
        assert counters(simulation, joined) == expected


def test_a_downlink_counter_the_network_used_itself_is_skipped(
    simulation: ThingsStack, joined: str, client: Client
) -> None:
    simulation.network.uplink(APP, joined)
    simulation.network.set_frame_counters(APP, joined, f_cnt_down=70_000)
    push(client, ITEM)
    assert simulation.network.invalidate_queue(APP, joined) is None
    assert [item["f_cnt"] for item in client.json("GET", DOWN)["downlinks"]] == [70_001]
    simulation.network.set_frame_counters(APP, joined, f_cnt_down=80_000)
    simulation.network.uplink(APP, joined)
    simulation.network.uplink(APP, joined)
    assert [(item["f_cnt"], item["frm_payload"]) for item in simulation.network.received(APP, joined)] == [
        (80_000, "Kgc="),
    ]  # fmt: skip
    assert "downlink_queue_invalidated" not in kinds(simulation)
