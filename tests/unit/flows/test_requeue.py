"""Flow `requeue`: downlinks that The Things Stack returned are queued again once, in the session that is in use."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from handlers import batches
from local.things_stack import ThingsStack as Simulation
from local.things_stack import profiles
from local.things_stack.network.application_up import Published
from tests import events
from tests.unit.conftest import APPLICATION, Clock
from tests.unit.flows.conftest import DEVICE, SESSIONS, Air, Encryption
from thingbridge.aws.clients import Clients
from thingbridge.aws.sessions import LONGEST_JUMP
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.encryption.seals import SEAL
from thingbridge.encryption.sessions import LAST_FRAME_COUNTER, SessionSeen
from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue
from thingbridge.flows.requeue import Requeue
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.things_stack.client import ThingsStack

GROUP = "/thethings/lorawan/farm/things"


@pytest.fixture(scope="module")
def profile() -> str:
    """Hosted deployments publish fields that a request must not have."""
    return profiles.HOSTED


@pytest.fixture
def queue(encryption: Encryption, things_stack: ThingsStack, clock: Clock) -> EncryptedDownlinkQueue:
    return EncryptedDownlinkQueue(things_stack, encryption.keys, now=clock, sleep=clock.wait)


@pytest.fixture
def log(clients: Clients) -> ThingsLog:
    clients("logs").create_log_group(logGroupName=GROUP)
    return ThingsLog(clients, GROUP)


Requeued = Callable[..., Sequence[str]]


@pytest.fixture
def flow(encryption: Encryption, queue: EncryptedDownlinkQueue, iot: Any, clients: Clients, log: ThingsLog) -> Requeue:
    directory = ThingDirectory(Things(clients), StackOfThings("farm", "lorawan", ThingNameScheme.DEV_EUI), log)
    return Requeue("farm", encryption.keys, queue, directory, log)


@pytest.fixture
def requeue(air: Air, flow: Requeue) -> Requeued:
    """Pass messages to the flow in one batch; returns the ids of those that are retried."""

    def hand_over(*messages: Published) -> Sequence[str]:
        outputs = [events.rule_output(each.body, f"thethings/lorawan/farm/{each.topic}") for each in messages]
        answer = batches.handle_each(events.sqs_batch(*map(json.dumps, outputs)), flow.handle)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    return hand_over


@pytest.fixture
def schedule(queue: EncryptedDownlinkQueue) -> Callable[..., None]:
    """Queue payloads, given in base64, on FPort 15."""

    def push(*payloads: str, **fields: Any) -> None:
        queue.schedule(DEVICE, [{"f_port": 15, "frm_payload": each, **fields} for each in payloads])

    return push


Schedule = Callable[..., None]
ONE, TWO, THREE = "AQ==", "Ag==", "Aw=="


def invalidate(simulation: Simulation) -> Published:
    published = simulation.network.invalidate_queue(APPLICATION, DEVICE.device_id)
    assert published is not None
    return published


def test_an_invalidated_queue_is_queued_again_in_its_order_with_new_counters(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE, TWO, THREE)
    used = [each["f_cnt"] for each in air.queue()]
    message = invalidate(simulation)
    assert requeue(message, message) == []
    assert requeue(message) == []
    again = [each["f_cnt"] for each in air.queue()]
    assert len(again) == 3
    assert min(again) > max(used)
    for _ in again:
        air.uplink()
    assert air.received() == [b"\1", b"\2", b"\3"]


def test_a_forged_invalidation_does_not_use_up_the_counters_of_a_session(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE)
    message = invalidate(simulation)
    message.message["downlink_queue_invalidated"]["last_f_cnt_down"] = LAST_FRAME_COUNTER - 1
    assert requeue(message) == []
    schedule(TWO)
    assert [each["f_cnt"] < LONGEST_JUMP for each in air.queue()] == [True, True]


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another payload": lambda downlink: downlink.update(frm_payload=THREE),
    "another counter": lambda downlink: downlink.update(f_cnt=downlink["f_cnt"] + 1),
    "another FPort": lambda downlink: downlink.update(f_port=16),
    "confirmed": lambda downlink: downlink.update(confirmed=True),
    "no seal": lambda downlink: downlink.pop("correlation_ids"),
    "another seal": lambda downlink: downlink.update(correlation_ids=[SEAL + "0" * 32, "é", 7]),
    "no list": lambda downlink: downlink.update(correlation_ids=SEAL),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_returned_downlink_that_this_stack_did_not_queue_is_dropped_and_recorded_once(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued, log: ThingsLog, forge: Callable[..., Any]
) -> None:
    air.activate()
    schedule(ONE, TWO)
    message = invalidate(simulation)
    forge(message.message["downlink_queue_invalidated"]["downlinks"][0])
    assert requeue(message) == []
    (entry,) = log.entries(None)
    assert (entry["event"], entry["count"]) == ("downlinks_not_queued_again", 1)
    assert "forged" in entry["reason"]
    for _ in range(2):
        air.uplink()
    assert air.received() == [b"\2"]


def test_a_downlink_of_another_device_is_dropped_although_its_session_was_forged_as_well(
    air: Air, schedule: Schedule, encryption: Encryption, simulation: Simulation, requeue: Requeued, log: ThingsLog
) -> None:
    air.activate()
    schedule(ONE)
    message = invalidate(simulation)
    other, session_key_id = "A81758FFFE0312AC", message.message["downlink_queue_invalidated"]["session_key_id"]
    stored = encryption.keys.table.find(str(DEVICE.dev_eui), session_key_id)
    assert stored is not None
    encryption.keys.remember(other, SessionSeen(stored.session, at=None, next_f_cnt_down=1))
    message.message["end_device_ids"]["dev_eui"] = other
    assert requeue(message) == []
    assert ["forged" in each["reason"] for each in log.entries(None)] == [True]
    assert air.queue() == []


def test_nothing_is_queued_again_in_a_session_in_which_nothing_was_queued(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued, log: ThingsLog
) -> None:
    air.activate()
    schedule(ONE)
    message = invalidate(simulation)
    air.activate()
    session_key_id = air.remember(air.uplink()).message["uplink_message"]["session_key_id"]
    message.message["downlink_queue_invalidated"]["downlinks"][0] |= {"session_key_id": session_key_id, "f_cnt": 1}
    assert requeue(message) == []
    assert ["forged" in each["reason"] for each in log.entries(None)] == [True]
    assert air.queue() == []


def test_downlinks_that_were_queued_before_there_were_seals_are_queued_again(
    air: Air, schedule: Schedule, encryption: Encryption, simulation: Simulation, requeue: Requeued, clients: Clients
) -> None:
    air.activate()
    schedule(ONE, TWO)
    message = invalidate(simulation)
    returned = message.message["downlink_queue_invalidated"]
    key = {"device": {"S": str(DEVICE.dev_eui)}, "session_key_id": {"S": returned["session_key_id"]}}
    clients("dynamodb").update_item(TableName=SESSIONS, Key=key, UpdateExpression="REMOVE sealed_from")
    for each in returned["downlinks"]:
        each["correlation_ids"] = [mark for mark in each["correlation_ids"] if not mark.startswith(SEAL)]
    schedule(THREE)
    assert requeue(message) == []
    # From the first one on that is queued after that, the seal is needed.
    (third, *_) = air.queue()
    third["correlation_ids"] = []
    forged = {**message.message, "downlink_queue_invalidated": {**returned, "downlinks": [third]}}
    assert requeue(replace(message, message=forged)) == []
    for _ in range(4):
        air.uplink()
    assert sorted(air.received()) == [b"\1", b"\2", b"\3"]


def test_the_queue_before_a_rejoin_is_retried_until_the_device_has_sent(
    air: Air, schedule: Schedule, encryption: Encryption, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE, TWO)
    join = air.join()
    assert requeue(join) == ["0"]
    # New downlinks are for the new session from now on, even before the flow `upstream` has seen the join.
    latest = encryption.keys.table.latest(str(DEVICE.dev_eui))
    assert latest is not None
    assert latest.session_key_id == join.message["join_accept"]["session_key_id"]
    air.uplink()
    assert requeue(join) == []
    assert requeue(join) == []
    air.uplink()
    air.uplink()
    assert air.received() == [b"\1", b"\2"]


def test_a_queue_that_was_invalidated_before_a_rejoin_is_queued_again_once(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE)
    message = invalidate(simulation)
    air.activate()
    assert requeue(message, message) == []
    air.uplink()
    air.uplink()
    assert air.received() == [b"\1"]


def test_a_push_whose_answer_was_lost_is_repeated(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE)
    message = invalidate(simulation)
    simulation.faults.add(method="POST", path="/down/push", status=503, times=100)
    assert requeue(message) == ["0"]
    simulation.faults.clear()
    assert requeue(message) == []
    air.uplink()
    assert air.received() == [b"\1"]


def test_downlinks_of_an_unknown_session_are_recorded_and_not_retried(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued, log: ThingsLog
) -> None:
    air.activate()
    schedule(ONE)
    message = invalidate(simulation)
    message.message["downlink_queue_invalidated"]["downlinks"][0]["session_key_id"] = "b3RoZXI="
    assert requeue(message) == []
    (entry,) = log.entries(None)
    assert (entry["event"], entry["count"]) == ("downlinks_not_queued_again", 1)
    assert "b3RoZXI=" in entry["reason"]
    assert air.queue() == []


def test_a_downlink_that_is_refused_does_not_hold_up_the_others(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE, TWO)
    message = invalidate(simulation)
    del message.message["downlink_queue_invalidated"]["downlinks"][0]["f_port"]
    assert requeue(message) == []
    air.uplink()
    assert air.received() == [b"\2"]


def test_a_confirmed_downlink_without_an_answer_is_queued_again(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE, confirmed=True)
    air.uplink()
    air.uplink(ack=False)
    (nack,) = [each for each in simulation.network.published if each.kind == "downlink_nack"]
    assert requeue(nack, nack) == []
    (queued,) = air.queue()
    assert queued["confirmed_retry"]["attempt"] == 2
    air.uplink()
    assert air.received() == [b"\1", b"\1"]


def test_a_message_that_the_rule_could_not_queue_is_handled_when_it_is_moved_back(
    air: Air, schedule: Schedule, simulation: Simulation, flow: Requeue
) -> None:
    air.activate()
    schedule(ONE)
    message = invalidate(simulation)
    output = events.rule_output(message.body, f"thethings/lorawan/farm/{message.topic}")
    error = events.load("rule_output/error")
    dead_letter = {**error, "topic": output["topic"], "base64OriginalPayload": output["payload"]}
    assert batches.handle_each(events.sqs_batch(json.dumps(dead_letter)), flow.handle) == {"batchItemFailures": []}
    air.uplink()
    assert air.received() == [b"\1"]


def test_the_queue_before_a_join_that_the_device_did_not_receive_stays_where_it_is(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued, log: ThingsLog
) -> None:
    air.activate()
    schedule(ONE, TWO)
    join = simulation.network.join(APPLICATION, DEVICE.device_id, accepted=False)
    air.remember(join)
    air.remember(air.uplink())
    assert requeue(join) == []
    (entry,) = log.entries(None)
    assert entry["event"] == "downlinks_not_queued_again"
    assert "they stay in the queue of their session" in entry["reason"]
    air.uplink()
    assert air.received() == [b"\1", b"\2"]


def test_what_stayed_in_its_session_is_queued_again_after_the_next_join(
    air: Air, schedule: Schedule, simulation: Simulation, requeue: Requeued
) -> None:
    air.activate()
    schedule(ONE, TWO)
    lost = simulation.network.join(APPLICATION, DEVICE.device_id, accepted=False)
    air.remember(lost)
    air.remember(air.uplink())
    requeue(lost)
    join = air.join()
    air.remember(join)
    air.remember(air.uplink())
    assert requeue(join, join) == []
    air.uplink()
    air.uplink()
    assert air.received() == [b"\1", b"\2"]


def test_a_message_that_can_not_be_read_is_recorded_and_not_retried(requeue: Requeued, log: ThingsLog) -> None:
    assert requeue(Published(APPLICATION, "raw", "downlink/invalidated", {}, raw=b"plain text")) == []
    assert [each["event"] for each in log.entries(None)] == ["event_not_readable"]
