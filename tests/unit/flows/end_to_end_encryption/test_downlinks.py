"""Downlinks under end-to-end encryption, between an account in process and the simulated The Things Stack."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION, Clock
from tests.unit.flows.conftest import DEVICE, KEK, Air, Encryption
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue
from thingbridge.things_stack.client import ThingsStack

Schedule = Callable[..., None]


@pytest.fixture
def schedule(encryption: Encryption, things_stack: ThingsStack, clock: Clock) -> Schedule:
    """Queue payloads on FPort 15; `sleep` is called instead of waiting, the other options are those of the request."""

    def push(*payloads: bytes, sleep: Callable[[float], None] = clock.wait, **options: Any) -> None:
        downlinks = [{"f_port": 15, "frm_payload": base64.b64encode(each).decode()} for each in payloads]
        queue = EncryptedDownlinkQueue(things_stack, encryption.keys, now=clock, sleep=sleep)
        queue.schedule(DEVICE, downlinks, **options)

    return push


def test_the_device_reads_the_requested_payloads_in_their_order(air: Air, schedule: Schedule) -> None:
    air.activate()
    schedule(b"one", b"two")
    air.uplink()
    air.uplink()
    assert air.received() == [b"one", b"two"]


def test_a_downlink_costs_a_read_an_update_and_a_push(
    air: Air, schedule: Schedule, simulation: Simulation, calls: Callable[[], dict[str, int]]
) -> None:
    air.activate()
    schedule(b"one")
    calls()
    before = len(simulation.requests)
    schedule(b"two")
    assert calls() == {"GetItem": 1, "UpdateItem": 1}
    assert len(simulation.requests) - before == 1


def test_a_session_that_this_stack_has_not_seen_is_looked_up(air: Air, schedule: Schedule) -> None:
    air.join()
    air.uplink()
    schedule(b"one")
    air.uplink()
    assert air.received() == [b"one"]


def test_a_session_that_ended_is_looked_up_again(air: Air, schedule: Schedule) -> None:
    air.activate()
    air.join()
    air.uplink()
    schedule(b"one")
    air.uplink()
    assert air.received() == [b"one"]


def test_counters_that_the_network_used_itself_are_skipped(
    air: Air, schedule: Schedule, simulation: Simulation
) -> None:
    air.activate()
    simulation.network.set_frame_counters(APPLICATION, DEVICE.device_id, f_cnt_down=65_700)
    schedule(b"one")
    assert air.queue()[0]["f_cnt"] >= 65_700
    air.uplink()
    assert air.received() == [b"one"]


def test_after_a_rejoin_a_downlink_waits_until_the_device_sends(air: Air, schedule: Schedule) -> None:
    air.activate()
    air.remember(air.join())
    with pytest.raises(Busy, match="joined again and has to send first"):
        schedule(b"one")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            air.uplink()

    schedule(b"one", sleep=sleep)
    assert len(waits) == 2
    air.uplink()
    assert air.received() == [b"one"]


def test_a_session_that_the_things_stack_encrypts_gets_nothing_encrypted_twice(
    air: Air, schedule: Schedule, things_stack: ThingsStack, encryption: Encryption
) -> None:
    setup.remove(things_stack, encryption.label)
    air.activate()
    setup.configure(things_stack, encryption.label, KEK, None)
    schedule(b"as ever")
    air.uplink()
    assert air.received() == [b"as ever"]


def test_a_payload_for_such_a_session_is_never_sent_in_plain_text(
    air: Air, schedule: Schedule, things_stack: ThingsStack, encryption: Encryption
) -> None:
    # From LoRaWAN 1.1 on, a new session starts with the counter 0, which a downlink without a counter has as well.
    air.forget()
    air.register(lorawan_version="MAC_V1_1", lorawan_phy_version="PHY_V1_1_REV_B", nwk_key="02" * 16)
    setup.remove(things_stack, encryption.label)
    air.activate()
    setup.configure(things_stack, encryption.label, KEK, None)
    # The device joins again, and this stack has not seen it.
    air.join()
    air.uplink()
    schedule(b"secret")
    (queued,) = air.queue()
    assert base64.b64decode(queued["frm_payload"]) != b"secret"
    air.uplink()
    assert air.received() == [b"secret"]


class PersonalizedDevice:
    """The part of a client that `EncryptedDownlinkQueue` uses, for a device that was activated by personalization."""

    def __init__(self) -> None:
        self.end_devices = self.downlink_queue = self
        self.pushed: list[Mapping[str, Any]] = []

    def remaining_seconds(self) -> float:
        return 5.0

    def get(self, *_: object) -> dict[str, Any]:
        return {"session": {"dev_addr": "260B0001", "keys": {"app_s_key": {"key": "00" * 16}}}}

    def schedule(self, _device_id: str, downlinks: Sequence[Mapping[str, Any]], *, replace: bool) -> None:
        self.pushed.extend(downlinks)


def test_a_device_that_never_joins_is_left_to_the_things_stack(encryption: Encryption) -> None:
    device = PersonalizedDevice()
    downlink = {"f_port": 1, "frm_payload": "AQ=="}
    EncryptedDownlinkQueue(device, encryption.keys).schedule(DEVICE, [downlink])  # type: ignore[arg-type]
    assert device.pushed == [downlink]


def test_a_queue_is_replaced_and_cleared(air: Air, schedule: Schedule) -> None:
    air.activate()
    schedule(b"one", b"two")
    schedule(b"three", replace=True)
    assert len(air.queue()) == 1
    schedule(replace=True)
    assert air.queue() == []


def test_a_device_that_has_not_joined_yet_is_refused(air: Air, schedule: Schedule) -> None:
    with pytest.raises(Refused, match="no_device_session"):
        schedule(b"one")


def test_a_payload_as_an_object_is_refused_before_a_counter_is_taken(
    air: Air, encryption: Encryption, things_stack: ThingsStack, calls: Callable[[], dict[str, int]]
) -> None:
    air.remember(air.join())
    calls()
    with pytest.raises(BadInput, match="give bytes"):
        EncryptedDownlinkQueue(things_stack, encryption.keys).schedule(DEVICE, [{"f_port": 1, "decoded_payload": {}}])
    assert calls() == {}
