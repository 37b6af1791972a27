"""Malformed messages on every topic: each is answered or recorded once, none is retried, no function ends."""

import json
import random
from collections import Counter
from typing import Any, Final

from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.polling import eventually
from tests.malformed import WRONG, messages, paths, replaced
from tests.malformed import encoded as json_of
from tests.sizes import size
from thingbridge.messaging.topics import REQUEST_EVENTS

SEED: Final = 20261121
HOW_MANY: Final = size(40, 280)
"""Of each of the two kinds: downlink requests, and what comes from The Things Stack."""

WRONG_FIELDS: Final = size(1, 10)
"""For each kind and each example; tests/unit/malformed has them all."""

AT_ONCE: Final = 4

TYPES: Final = (None, True, 0, -1, 1.5, 10**30, "", "x", "\ud800", "\0", [], {}, [None], {"": {}})


def garbage(chance: random.Random) -> bytes:
    """Bytes that are not a JSON object."""
    return chance.choice(
        [
            b"",
            b"null",
            b"[]",
            b"7",
            b'"text"',
            b"{",
            b'{"a":}',
            b"\xff\xfe\xfd",
            b"\x1f\x8b\x08" + chance.randbytes(40),
            chance.randbytes(chance.randrange(1, 200)),
            # Deeper ones end the local AWS's own parser; tests/unit has them.
            b"[" * 300,
            b"x" * 100_000,
            b"<xml/>",
        ]
    )


def encoded(chance: random.Random, body: dict[str, Any]) -> bytes:
    """A JSON object, in ways that a careless sender may write it."""
    text = json.dumps(body, ensure_ascii=chance.random() < 0.8)
    return text.encode(chance.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32"]), "surrogatepass")


def wrong(chance: random.Random, right: tuple[type, ...]) -> Any:
    return chance.choice(
        [each for each in TYPES if not isinstance(each, right) or (bool not in right and each is True)]
    )


def bad_request(chance: random.Random, marker: str) -> bytes:
    """A downlink request in which one field is wrong. Its marker identifies it in the answers."""
    body: dict[str, Any] = {"bytes": "AQ==", "correlationIDs": [marker]}
    deep: Any = {}
    for _ in range(60):
        deep = {"deeper": deep}
    fault = chance.choice(
        [
            {"bytes": chance.choice(["!", "AQ", "A", "ü", "AQ==\n", *(each for each in TYPES if each not in ("",))])},
            {"bytes": "A" * 400},
            {"bytes": "A" * 90_000},
            {"payload": {"both": 1}},
            {"fPort": chance.choice([0, -1, 224, 256, 1.5, 10**30, "1", True, [], {}])},
            {"confirmed": chance.choice([0, 1, "true", [], {}])},
            {"highPriority": chance.choice([0, 1, "true", [], {}])},
            {"priority": chance.choice(["low", "URGENT", 1, True, [], {}])},
            {"classBC": chance.choice([[], {}, "x", {"gateways": "gw"}, {"gateways": [1]}, {"other": 1}])},
            {"classBC": {"absoluteTime": chance.choice(["", "tomorrow", 5, "2026-01-01", "2026-01-01T00:00:00"])}},
            {"downlinks": chance.choice([[], {}, "x", 5, [1], [None], [{"bytes": "AQ=="}, {"bytes": "?"}]])},
            {"downlinks": [{"payload": deep}]},
            {"downlinks": [{}]},
            {"bytes": "AQ==", "deep": deep},
        ]
    )
    return json.dumps({**body, **fault}).encode()


def bad_message(chance: random.Random, device: dict[str, Any]) -> tuple[str, bytes, bool]:
    """Suffix of the topic and bytes of a message that The Things Stack would not send; whether it names a device."""
    kind = chance.choice(["uplink", "join", "downlink/ack", "location/solved", "service/data", "new/kind"])
    roll = chance.random()
    if roll < 0.3:
        return kind, garbage(chance), False
    if roll < 0.6:
        ids = chance.choice(
            [
                wrong(chance, (dict,)),
                {},
                {"device_id": wrong(chance, ())},
                {"device_id": "UPPER_case"},
                {"device_id": "a" * 100},
                {**device, "dev_eui": chance.choice(["XYZ", "A8", "A" * 17, 5, True, [1], {"a": 1}])},
                {**device, "join_eui": chance.choice(["XYZ", "A8", "A" * 17, 5, True, [1], {"a": 1}])},
            ]
        )
        return kind, encoded(chance, {"end_device_ids": ids, "uplink_message": {"f_cnt": 1}}), False
    part = chance.choice(["uplink_message", "join_accept", "downlink_ack", "service_data"])
    content: Any = {
        name: chance.choice(TYPES)
        for name in ("f_port", "f_cnt", "frm_payload", "rx_metadata", "received_at", "session_key_id", "version_ids")
        if chance.random() < 0.7
    }
    if chance.random() < 0.3:
        content["rx_metadata"] = [chance.choice([*TYPES, {"rssi": "x", "snr": None}, {"packet_broker": {}}])] * 3
    if chance.random() < 0.2:
        content["decoded_payload"] = {"list": [1, None], "text": "\ud800", "big": "x" * chance.choice([10, 9000])}
    if chance.random() < 0.2:
        content = chance.choice(TYPES)
    return kind, encoded(chance, {"end_device_ids": device, part: content}), True


def with_a_wrong_field(chance: random.Random, device: dict[str, Any]) -> list[tuple[str, bytes, bool]]:
    """Messages of every kind with every field of the API, one of them wrong; all of them name the device."""
    found = []
    for message in messages().values():
        fields = [at for at in paths(message.body) if at and at[0] != "end_device_ids"]
        body = {**message.body, "end_device_ids": {**message.body["end_device_ids"], **device}}
        for _ in range(WRONG_FIELDS):
            # Without the last: a message that is nested so deep is not passed on.
            value = chance.choice(WRONG[:-1])
            found.append((message.event, json_of(replaced(body, chance.choice(fields), value)), True))
    return found


def errors_of_functions(bridge: Bridge) -> Counter[str]:
    """How often each function ended with an error, as its own log has it."""
    logs, found = bridge.aws.client("logs"), Counter[str]()
    for name in filter(None, bridge.outputs["function_names"].values()):
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        for page in pages:
            for event in page["events"]:
                text = event["message"]
                if "Traceback" in text or "errorType" in text or "Task timed out" in text:
                    found[name] += 1
    return found


def test_hundreds_of_malformed_requests_and_messages_are_each_answered_or_recorded_once(orchard: Bridge) -> None:
    chance = random.Random(SEED)
    device = orchard.new_device()
    orchard.things_stack.network.join(device.application_id, device.device_id)
    thing_name = f"orchard_{device.device_id}"
    orchard.topics.wait_for(f"lorawan/{thing_name}/join", timeout=PATIENCE)
    before, errors = orchard.dead_letters(), errors_of_functions(orchard)
    unidentified = len(orchard.log("unidentified"))
    ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}

    requests = [
        (f"lorawan/{thing_name}/downlink/{chance.choice(['push', 'replace'])}", body)
        for number in range(HOW_MANY)
        for body in [garbage(chance) if chance.random() < 0.2 else bad_request(chance, f"request:{number}")]
        # To replace a queue by nothing is a request like any other.
        if b'"downlinks": []' not in body
    ]
    wrong_messages = [bad_message(chance, ids) for _ in range(HOW_MANY)] + with_a_wrong_field(chance, ids)
    delivered = [each for each in wrong_messages if each[2]]
    recorded = [each for each in wrong_messages if not each[2]]
    data = orchard.aws.client("iot-data")

    def answers() -> list[dict[str, Any]]:
        topic = f"lorawan/{thing_name}/downlink/rejected"
        return [each.json() for each in orchard.topics.messages(topic)]

    def published() -> int:
        # Without the join at the beginning, the requests, and the answers to them.
        ours = tuple(f"lorawan/{thing_name}/{each}" for each in REQUEST_EVENTS)
        return len([each for each in orchard.topics.messages(f"lorawan/{thing_name}/#") if each.topic not in ours]) - 1

    def without_device() -> int:
        return len(orchard.log("unidentified")) - unidentified

    # The first alone, then a few at a time: the local AWS starts a process for each that waits.
    for number, (topic, body) in enumerate(requests, 1):
        data.publish(topic=topic, qos=1, payload=body)
        least = number - AT_ONCE if number > 1 else 0
        eventually(f"answers to {number} requests", lambda least=least: len(answers()) > least, timeout=60)
    for number, (suffix, body, _) in enumerate(wrong_messages, 1):
        orchard.publish_upstream(suffix, body)
        eventually(f"{number} messages", lambda number=number: published() + without_device() > number - AT_ONCE)
    eventually("an answer to each request", lambda: len(answers()) >= len(requests))
    eventually("each message that names the device", lambda: published() >= len(delivered))
    eventually("a record of each that names none", lambda: without_device() >= len(recorded))

    # Once each, and with a reason.
    assert len(answers()) == len(requests)
    assert all(each["reason"] and each["stackName"] == "orchard" for each in answers())
    marked = Counter(
        str(correlation_id)
        for each in answers()
        for correlation_id in (each["request"] or {}).get("correlationIDs", [])
    )
    assert set(marked.values()) == {1}
    assert published() == len(delivered)
    assert without_device() == len(recorded)
    log = Counter(each["event"] for each in orchard.log(thing_name))
    assert log["downlink_rejected"] == len(requests)
    assert orchard.things_stack.network.queue(device.application_id, device.device_id) == []
    assert orchard.dead_letters() == before
    assert errors_of_functions(orchard) == errors
    assert len(requests) + len(wrong_messages) > 1.8 * HOW_MANY
