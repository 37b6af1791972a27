"""What the local environment shows, read through the product's adapters from a real emulator."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local import inspection
from local.aws import LocalAws
from local.inspection import NotSeen, eventually, summary
from thingbridge.aws.logs import Logs, function_log_group
from thingbridge.aws.queues import queue_url
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import THINGS_PER_PAGE, Thing, Things
from thingbridge.aws.things_log import ThingsLog

GROUP = "/thethings/lorawan/barn/things"


@pytest.fixture(scope="module")
def barn(aws: LocalAws) -> LocalAws:
    """An account with one thing of the stack `barn`, its shadow and its log."""
    aws.client("iot").create_thing_type(thingTypeName="barn-sensor")
    aws.client("logs").create_log_group(logGroupName=GROUP)
    assert Things(aws.clients).create("barn:door", {"stackName": "barn"}, "barn-sensor")
    Shadows(aws.clients, "lorawan").report("barn:door", {"rssi": -97})
    log = ThingsLog(aws.clients, GROUP)
    log.record("barn:door", "INFO", "end_device_created", device_id="door")
    log.record("barn:door", "ERROR", "downlink_rejected", reason="too long")
    return aws


def test_a_thing_is_seen_with_its_shadow_and_its_log(barn: LocalAws) -> None:
    door = inspection.thing(barn, "barn:door")
    assert door is not None
    assert door[:3] == Thing("barn:door", {"stackName": "barn"}, "barn-sensor")[:3]
    assert [each[:3] for each in inspection.things(barn, "barn")] == [door[:3]]
    assert inspection.as_json(door) == {
        "thingName": "barn:door",
        "thingTypeName": "barn-sensor",
        "attributes": {"stackName": "barn"},
    }
    assert inspection.shadow(barn, "barn:door") == {"rssi": -97}
    entries = inspection.log(barn, GROUP, "barn:door")
    assert [entry["event"] for entry in entries] == ["end_device_created", "downlink_rejected"]
    assert entries[1]["reason"] == "too long"


def test_what_does_not_exist_is_empty(barn: LocalAws) -> None:
    assert inspection.thing(barn, "window") is None
    assert inspection.things(barn, "nobody") == []
    assert inspection.shadow(barn, "window") == {}
    assert inspection.log(barn, GROUP, "window") == []
    assert queue_url(barn.clients, "barn-nothing") is None
    assert Logs(barn.clients).entries(function_log_group("barn-nothing"), since=0) == []


def test_the_things_of_a_stack_are_read_from_every_page(barn: LocalAws) -> None:
    names = [f"stable-{number:03}" for number in range(THINGS_PER_PAGE + 5)]
    for name in names:
        Things(barn.clients).create(name, {"stackName": "stable"}, "barn-sensor")
    assert [thing.name for thing in inspection.things(barn, "stable")] == names


def test_waiting_messages_are_counted_also_while_one_is_handled(barn: LocalAws) -> None:
    sqs = barn.client("sqs")
    url = sqs.create_queue(QueueName="barn-work")["QueueUrl"]
    for body in ("one", "two"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.receive_message(QueueUrl=url)
    assert inspection.queues(barn, {"work": url, "absent": None}) == {"work": 2}
    assert queue_url(barn.clients, "barn-work") == url


def test_a_functions_own_log_is_read_from_all_its_streams(barn: LocalAws) -> None:
    logs, group = barn.client("logs"), function_log_group("barn-sync")
    logs.create_log_group(logGroupName=group)
    now = time.time()

    def write(stream: str, message: Any, seconds_ago: float) -> None:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        event = {"timestamp": int((now - seconds_ago) * 1000), "message": message}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])

    write("before", json.dumps({"event": "earlier"}), 60)
    write("one", json.dumps({"event": "synchronised", "run": "1"}), 2)
    write("two", "START RequestId: 1", 1)
    assert Logs(barn.clients).entries(group, since=now - 10) == [
        {"event": "synchronised", "run": "1"},
        {"event": "START RequestId: 1"},
    ]
    assert group in Logs(barn.clients).groups("/aws/lambda/barn")
    assert group not in Logs(barn.clients).groups("/thethings/")


def test_what_does_not_appear_in_time_is_named() -> None:
    with pytest.raises(NotSeen, match=r"not seen within 0 s: the thing"):
        eventually("the thing", lambda: None, timeout=0)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (
            {
                "end_device_ids": {"device_id": "tank-7"},
                "uplink_message": {
                    "f_port": 2,
                    "f_cnt": 7,
                    "frm_payload": "CDVk",
                    "decoded_payload": {"moisture": 21.01},
                    "rx_metadata": [{"rssi": -71}],
                },
            },
            'FPort 2 · counter 7 · 08 35 64 · {"moisture": 21.01}',
        ),
        ({"end_device_ids": {"dev_addr": "2600ABCD"}, "downlink_ack": {"f_port": 1, "frm_payload": "Kgc="}},
         "FPort 1 · 2A 07"),
        ({"downlink_failed": {"downlink": {}, "error": {"name": "f_cnt_too_low", "message_format": "too low"}}},
         "too low"),
        ({"field": "bytes", "reason": "must be base64", "request": {}}, "field bytes · reason must be base64"),
        ({"anything": [1]}, '{"anything": [1]}'),
        ({"uplink_message": "no object"}, '{"uplink_message": "no object"}'),
        ([1, "a"], '[1, "a"]'),
        ("text", "text"),
        (
            {"end_device_ids": {"dev_addr": "260B8FE0"}, "join_accept": {"session_key_id": "AaI="}},
            "DevAddr 260B8FE0",
        ),
        ({"end_device_ids": "none", "join_accept": {}}, '{"end_device_ids": "none", "join_accept": {}}'),
        ({"uplink_message": {"f_port": 2, "frm_payload": "Kgc="}}, "FPort 2 · counter 0 · 2A 07"),
    ],
)  # fmt: skip
def test_a_message_is_summed_up_in_one_line(body: Any, line: str) -> None:
    assert summary(body) == line
