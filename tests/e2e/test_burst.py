"""More uplinks at once than the local AWS can handle: it falls behind, catches up, and loses none."""

import json
import time
from typing import Any

import pytest

from tests.conftest import FIGURES
from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.polling import eventually

PER_SECOND = 60
FIRST_COUNTER = 1000
SLOWEST_ANSWER = 5.0
"""Seconds within which other callers of AWS are answered during the burst."""


@pytest.mark.parametrize("seconds", [1, pytest.param(15, marks=pytest.mark.soak)])
def test_every_uplink_of_a_burst_arrives_in_the_end(farm: Bridge, seconds: int, record_property: Any) -> None:
    device = farm.joined_device()
    sample = farm.things_stack.network.uplink(device.application_id, device.device_id, f_port=1, frm_payload=b"\1")
    topic = f"lorawan/{device.dev_eui}/uplink"
    farm.topics.wait_for(topic, timeout=PATIENCE)

    counters = range(FIRST_COUNTER, FIRST_COUNTER + PER_SECOND * seconds)
    started = time.monotonic()
    slowest = publish_evenly(farm, dict(sample.message), counters)

    def arrived() -> list[int]:
        # Of the sample it is 0, which The Things Stack leaves out.
        received = [message.json()["uplink_message"].get("f_cnt", 0) for message in farm.topics.messages(topic)]
        return [counter for counter in received if counter >= FIRST_COUNTER]

    eventually("every uplink", lambda: len(set(arrived())) == len(counters), timeout=20 * seconds + PATIENCE)
    took = time.monotonic() - started
    record_property(FIGURES, f"burst: {len(counters)} uplinks in {seconds} s, all of them there after {took:.0f} s")
    assert set(arrived()) == set(counters)
    assert slowest < SLOWEST_ANSWER


def publish_evenly(bridge: Bridge, message: dict[str, Any], counters: range) -> float:
    """Publish copies of an uplink as The Things Stack does, one for each frame counter, `PER_SECOND`.

    Returns how long the slowest of some other calls of AWS took meanwhile, in seconds.
    """
    iot, slowest, started = bridge.aws.client("iot"), 0.0, time.monotonic()
    with bridge.aws.mqtt("burst") as connection:
        for number, counter in enumerate(counters):
            if (early := started + number / PER_SECOND - time.monotonic()) > 0:
                time.sleep(early)
            body = {**message, "uplink_message": {**message["uplink_message"], "f_cnt": counter}}
            connection.publish(f"thethings/lorawan/{bridge.name}/uplink", json.dumps(body).encode(), qos=0)
            if number % PER_SECOND == PER_SECOND // 2:
                asked = time.monotonic()
                iot.list_things(maxResults=1)
                slowest = max(slowest, time.monotonic() - asked)
    return slowest
