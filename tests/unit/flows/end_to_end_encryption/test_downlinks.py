"""Downlinks under end-to-end encryption: an account in process on one side, the simulated Things Stack on the other."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
import pytest
from handlers.session_keys import SessionKeys, session_keys
from thingbridge.aws_iot import clients, secrets

from handlers import encrypted_downlinks, requeue
from local.things_stack import ThingsStack as Simulation
from local.things_stack.network.application_up import Published
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.messaging import sessions
from thingbridge.registry.attributes import DeviceReference
from thingbridge.things_stack import end_to_end_encryption
from thingbridge.things_stack.client import ThingsStack

from .conftest import KEK, Encryption

APPLICATION = "farm-app"
DEVICE = DeviceReference("tank-7", "A81758FFFE0312AB", named=True)
GROUP = "/thethings/lorawan/farm/things"
APP_KEY = "0123456789ABCDEF0123456789ABCDEF"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulation]:
    simulation = Simulation(port=0).start()
    simulation.create_application(APPLICATION)
    yield simulation
    simulation.stop()


@pytest.fixture
def simulation(running: Simulation, encryption: Encryption, things_stack: ThingsStack) -> Iterator[Simulation]:
    """The simulation with one device of LoRaWAN 1.0.3, in an application under end-to-end encryption."""
    seen = len(running.violations)
    end_to_end_encryption.configure(things_stack, encryption.label, KEK, None)
    register(running)
    yield running
    running.faults.clear()
    end_to_end_encryption.remove(things_stack, encryption.label)
    forget(running)
    running.network.published.clear()
    assert list(running.violations)[seen:] == []


def register(simulation: Simulation, **options: str) -> None:
    ids = {"device_id": DEVICE.device_id, "dev_eui": str(DEVICE.dev_eui), "join_eui": "A81758FFFE000001"}
    simulation.register_device(APPLICATION, **ids, app_key=APP_KEY, **options)  # type: ignore[arg-type]


def forget(simulation: Simulation) -> None:
    servers = simulation.servers
    for server in (servers.application, servers.network, servers.join, servers.identity):
        server.devices.pop((APPLICATION, DEVICE.device_id), None)
    simulation.network.forget(APPLICATION, DEVICE.device_id)


@pytest.fixture
def things_stack(running: Simulation) -> ThingsStack:
    key = running.create_api_key(APPLICATION)
    return ThingsStack(
        cluster_address=running.url,
        identity_server_address=running.url,
        application_id=APPLICATION,
        api_key=lambda _refresh: key,
        remaining_seconds=lambda: 5.0,
    )


@pytest.fixture
def keys(encryption: Encryption, simulation: Simulation) -> SessionKeys:
    return session_keys(encryption.settings)


class Air:
    """The device and what The Things Stack publishes of it; `told` hands messages to this side as `upstream` does."""

    def __init__(self, simulation: Simulation, keys: SessionKeys) -> None:
        self._network, self._keys = simulation.network, keys
        self._before = len(self._network.received(APPLICATION, DEVICE.device_id))

    def told(self, published: Published) -> Published:
        seen = sessions.seen(published.message)
        assert seen is not None
        self._keys.remember(str(DEVICE.dev_eui), seen)
        return published

    def join(self) -> Published:
        return self._network.join(APPLICATION, DEVICE.device_id)

    def uplink(self, **options: Any) -> Published:
        return self._network.uplink(APPLICATION, DEVICE.device_id, **options)

    def queue(self) -> list[dict[str, Any]]:
        return self._network.queue(APPLICATION, DEVICE.device_id)

    def received(self) -> list[bytes]:
        """What the device has read since."""
        received = self._network.received(APPLICATION, DEVICE.device_id)[self._before :]
        return [base64.b64decode(each["frm_payload"]) for each in received]


@pytest.fixture
def air(simulation: Simulation, keys: SessionKeys) -> Air:
    return Air(simulation, keys)


Schedule = Callable[..., None]


@pytest.fixture
def schedule(keys: SessionKeys, things_stack: ThingsStack) -> Schedule:
    def queue(*payloads: bytes, **options: Any) -> None:
        downlinks = [{"f_port": 15, "frm_payload": base64.b64encode(each).decode()} for each in payloads]
        encrypted_downlinks.schedule(keys, things_stack, DEVICE, downlinks, **options)

    return queue


def test_the_device_reads_what_was_asked_for(air: Air, schedule: Schedule) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one", b"two")
    air.uplink()
    air.uplink()
    assert air.received() == [b"one", b"two"]


def test_a_downlink_costs_a_read_an_update_and_a_push(air: Air, schedule: Schedule, simulation: Simulation) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one")
    made: list[str] = []
    for service in ("dynamodb", "secretsmanager"):
        clients.client(service).meta.events.register("before-call", lambda model, **_: made.append(model.name))
    before = len(simulation.requests)
    schedule(b"two")
    assert made == ["GetItem", "UpdateItem"]
    assert len(simulation.requests) - before == 1


def test_a_session_nobody_told_of_is_asked_for(air: Air, schedule: Schedule) -> None:
    air.join()
    air.uplink()
    schedule(b"one")
    air.uplink()
    assert air.received() == [b"one"]


def test_a_session_that_is_over_is_asked_for_anew(air: Air, schedule: Schedule) -> None:
    air.told(air.join())
    air.told(air.uplink())
    air.join()
    air.uplink()
    schedule(b"one")
    air.uplink()
    assert air.received() == [b"one"]


def test_counters_the_network_used_for_itself_are_gone_past(
    air: Air, schedule: Schedule, simulation: Simulation
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    simulation.network.set_frame_counters(APPLICATION, DEVICE.device_id, f_cnt_down=65_700)
    schedule(b"one")
    assert air.queue()[0]["f_cnt"] >= 65_700
    air.uplink()
    assert air.received() == [b"one"]


def test_after_a_rejoin_a_downlink_waits_for_the_device_to_send(air: Air, schedule: Schedule) -> None:
    air.told(air.join())
    air.told(air.uplink())
    air.told(air.join())
    with pytest.raises(Busy, match="joined again and has to send first"):
        schedule(b"one", patience=0.2)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            air.uplink()

    schedule(b"one", sleep=sleep)
    assert len(waits) == 2
    air.uplink()
    assert air.received() == [b"one"]


def test_a_session_the_things_stack_encrypts_in_gets_nothing_encrypted_twice(
    air: Air, schedule: Schedule, simulation: Simulation, things_stack: ThingsStack, encryption: Encryption
) -> None:
    end_to_end_encryption.remove(things_stack, encryption.label)
    air.told(air.join())
    air.told(air.uplink())
    end_to_end_encryption.configure(things_stack, encryption.label, KEK, None)
    schedule(b"as ever")
    air.uplink()
    assert air.received() == [b"as ever"]


def test_what_is_meant_for_such_a_session_is_never_carried_in_the_clear(
    air: Air, schedule: Schedule, simulation: Simulation, things_stack: ThingsStack, encryption: Encryption
) -> None:
    # From LoRaWAN 1.1 on a new session takes the counter 0, which is what a downlink without one has.
    forget(simulation)
    register(simulation, lorawan_version="MAC_V1_1", lorawan_phy_version="PHY_V1_1_REV_B", nwk_key="02" * 16)
    end_to_end_encryption.remove(things_stack, encryption.label)
    air.told(air.join())
    air.told(air.uplink())
    end_to_end_encryption.configure(things_stack, encryption.label, KEK, None)
    # It joined again, and this side has not heard of it.
    air.join()
    air.uplink()
    schedule(b"secret")
    (queued,) = air.queue()
    assert base64.b64decode(queued["frm_payload"]) != b"secret"
    air.uplink()
    assert air.received() == [b"secret"]


def test_a_device_without_joins_is_left_to_the_things_stack(
    simulation: Simulation, keys: SessionKeys, things_stack: ThingsStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    personalised = {"session": {"dev_addr": "260B0001", "keys": {"app_s_key": {"key": "00" * 16}}}}
    monkeypatch.setattr(things_stack, "end_device", lambda *_: personalised)
    pushed: list[Any] = []
    monkeypatch.setattr(things_stack, "schedule_downlinks", lambda *given, **_: pushed.append(given))
    encrypted_downlinks.schedule(keys, things_stack, DEVICE, [{"f_port": 1, "frm_payload": "AQ=="}])
    assert pushed == [(DEVICE.device_id, [{"f_port": 1, "frm_payload": "AQ=="}])]


def test_a_queue_is_replaced_and_cleared(air: Air, schedule: Schedule) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one", b"two")
    schedule(b"three", replace_queue=True)
    assert len(air.queue()) == 1
    schedule(replace_queue=True)
    assert air.queue() == []


def test_a_device_that_never_joined_is_refused(schedule: Schedule) -> None:
    with pytest.raises(Refused, match="no_device_session"):
        schedule(b"one")


def test_an_object_is_refused_before_a_counter_is_taken(air: Air, keys: SessionKeys, things_stack: ThingsStack) -> None:
    air.told(air.join())
    with pytest.raises(BadInput, match="give bytes"):
        encrypted_downlinks.schedule(keys, things_stack, DEVICE, [{"f_port": 1, "decoded_payload": {}}])


# Given back by The Things Stack ------------------------------------------------------------------------------------


@pytest.fixture
def queue_again(
    simulation: Simulation, encryption: Encryption, iot: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Sequence[str]]]:
    """Hand messages to the function `requeue`; the ids of those that come again."""
    key = simulation.create_api_key(APPLICATION)
    secret = boto3.client("secretsmanager").create_secret(Name="key", SecretString=key)["ARN"]
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    environment = {
        "STACK_NAME": "farm",
        "THINGS_LOG_GROUP": GROUP,
        "CLUSTER_ADDRESS": simulation.url,
        "IDENTITY_SERVER_ADDRESS": simulation.url,
        "APPLICATION_ID": APPLICATION,
        "API_KEY_SECRET_ARN": secret,
        "THING_TYPE_NAME": "lorawan",
        "THING_NAME_SCHEME": "DevEUI",
        "END_TO_END_ENCRYPTION": encryption.environment,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(requeue, "PATIENCE", 0.2)

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 5000

    def hand(*messages: Published) -> Sequence[str]:
        records = []
        for number, each in enumerate(messages):
            topic = f"thethings/lorawan/farm/{each.topic}"
            event = {"topic": topic, "payload": base64.b64encode(each.body).decode()}
            records.append({"messageId": str(number), "body": json.dumps(event)})
        answer = requeue.handler({"Records": records}, Context())
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    for cached in (requeue._settings, requeue._directory):
        cached.cache_clear()
    secrets._cache.clear()
    yield hand
    for cached in (requeue._settings, requeue._directory):
        cached.cache_clear()


QueueAgain = Callable[..., Sequence[str]]


def invalidated(simulation: Simulation) -> Published:
    published = simulation.network.invalidate_queue(APPLICATION, DEVICE.device_id)
    assert published is not None
    return published


def test_an_invalidated_queue_is_queued_again_in_its_order_under_fresh_counters(
    air: Air, schedule: Schedule, simulation: Simulation, queue_again: QueueAgain
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one", b"two", b"three")
    used = [each["f_cnt"] for each in air.queue()]
    message = invalidated(simulation)
    assert queue_again(message, message) == []
    assert queue_again(message) == []
    again = [each["f_cnt"] for each in air.queue()]
    assert len(again) == 3
    assert min(again) > max(used)
    for _ in again:
        air.uplink()
    assert air.received() == [b"one", b"two", b"three"]


def test_the_queue_before_a_rejoin_comes_again_until_the_device_has_sent(
    air: Air, schedule: Schedule, keys: SessionKeys, queue_again: QueueAgain
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one", b"two")
    join = air.join()
    assert queue_again(join) == ["0"]
    # Nothing is meant for the old session any more, even before `upstream` has seen the join.
    assert keys.table.latest(str(DEVICE.dev_eui)) == join.message["join_accept"]["session_key_id"]
    air.uplink()
    assert queue_again(join) == []
    assert queue_again(join) == []
    air.uplink()
    air.uplink()
    assert air.received() == [b"one", b"two"]


def test_a_queue_that_was_invalidated_before_a_rejoin_is_queued_again_once(
    air: Air, schedule: Schedule, simulation: Simulation, queue_again: QueueAgain
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one")
    message = invalidated(simulation)
    air.told(air.join())
    air.told(air.uplink())
    assert queue_again(message, message) == []
    air.uplink()
    air.uplink()
    assert air.received() == [b"one"]


def test_a_push_whose_answer_was_lost_comes_again(
    air: Air, schedule: Schedule, simulation: Simulation, queue_again: QueueAgain
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one")
    message = invalidated(simulation)
    simulation.faults.add(method="POST", path="/down/push", status=503, times=100)
    assert queue_again(message) == ["0"]
    simulation.faults.clear()
    assert queue_again(message) == []
    air.uplink()
    assert air.received() == [b"one"]


def test_what_nobody_has_a_key_for_is_recorded_and_done_with(
    air: Air, schedule: Schedule, simulation: Simulation, queue_again: QueueAgain
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one")
    message = invalidated(simulation)
    message.message["downlink_queue_invalidated"]["downlinks"][0]["session_key_id"] = "b3RoZXI="
    assert queue_again(message) == []
    events = boto3.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    (entry,) = [json.loads(event["message"]) for event in events]
    assert entry["event"] == "downlinks_not_queued_again"
    assert "b3RoZXI=" in entry["reason"]
    assert air.queue() == []


def test_one_that_is_refused_for_good_does_not_hold_up_the_others(
    air: Air, schedule: Schedule, simulation: Simulation, queue_again: QueueAgain
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    schedule(b"one", b"two")
    message = invalidated(simulation)
    downlinks = message.message["downlink_queue_invalidated"]["downlinks"]
    del downlinks[0]["f_port"]
    assert queue_again(message) == []
    air.uplink()
    assert air.received() == [b"two"]


def test_a_confirmed_downlink_without_an_answer_is_queued_again(
    air: Air, keys: SessionKeys, things_stack: ThingsStack, simulation: Simulation, queue_again: QueueAgain
) -> None:
    air.told(air.join())
    air.told(air.uplink())
    downlink = {"f_port": 15, "frm_payload": "AQ==", "confirmed": True}
    encrypted_downlinks.schedule(keys, things_stack, DEVICE, [downlink])
    air.uplink()
    air.uplink(ack=False)
    (nack,) = [each for each in simulation.network.published if each.kind == "downlink_nack"]
    assert queue_again(nack, nack) == []
    (queued,) = air.queue()
    assert queued["confirmed_retry"]["attempt"] == 2
    air.uplink()
    assert air.received() == [b"\1", b"\1"]


def test_garbage_is_recorded_and_not_tried_again(queue_again: QueueAgain) -> None:
    assert queue_again(Published(APPLICATION, "raw", "downlink/invalidated", {}, raw=b"no JSON")) == []
