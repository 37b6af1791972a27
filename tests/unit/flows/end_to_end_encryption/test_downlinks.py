"""Downlinks under end-to-end encryption, between an account in process and the simulated The Things Stack."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from local.things_stack import ThingsStack as Simulation
from local.things_stack.network.application_up import Published
from tests import events
from tests.unit.conftest import APPLICATION, Clock
from tests.unit.flows.conftest import DEVICE, KEK, Air, Encryption
from thingbridge.aws.clients import Clients
from thingbridge.aws.secrets import Secrets
from thingbridge.errors import BadInput, Busy, Refused
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.flows.end_to_end_encryption.decryption import PAUSES, Decryption
from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue, JoinLost
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.messaging import upstream
from thingbridge.messaging.downlink import NotSendable
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.things_stack.client import ThingsStack

Schedule = Callable[..., None]


@pytest.fixture
def schedule(encryption: Encryption, things_stack: ThingsStack, clock: Clock) -> Schedule:
    """Queue payloads on FPort 15; `sleep` is called instead of waiting, the other options are those of the request."""

    def push(
        *payloads: bytes, sleep: Callable[[float], None] = clock.wait, mark: str = "thingbridge:0", **options: Any
    ) -> None:
        downlinks = [
            {"f_port": 15, "frm_payload": base64.b64encode(each).decode(), "correlation_ids": [mark]}
            for each in payloads
        ]
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


def pushes(simulation: Simulation, since: int = 0) -> list[int]:
    """The statuses of the pushes that The Things Stack answered."""
    return [each.status for each in list(simulation.requests)[since:] if each.path.endswith("/down/push")]


def failures(simulation: Simulation) -> list[Published]:
    return [each for each in simulation.network.published if each.kind == "downlink_failed"]


def test_after_a_rejoin_nothing_is_pushed_until_the_device_sends(
    air: Air, schedule: Schedule, simulation: Simulation
) -> None:
    air.activate()
    before = len(simulation.requests)
    air.remember(air.join())
    with pytest.raises(Busy, match="joined again and has to send first"):
        schedule(b"one")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            air.remember(air.uplink())

    schedule(b"one", sleep=sleep)
    assert len(waits) == 2
    assert pushes(simulation, before) == [200]
    assert failures(simulation) == []
    air.uplink()
    assert air.received() == [b"one"]


def test_a_first_join_needs_no_uplink_before_a_downlink(air: Air, schedule: Schedule) -> None:
    air.remember(air.join())
    schedule(b"one")
    air.uplink()
    assert air.received() == [b"one"]


def test_a_join_whose_answer_the_device_did_not_receive_is_named(
    air: Air, schedule: Schedule, simulation: Simulation
) -> None:
    air.activate()
    join = simulation.network.join(APPLICATION, DEVICE.device_id, accepted=False)
    air.remember(join)
    air.remember(air.uplink())
    with pytest.raises(JoinLost, match="did not receive the join-accept"):
        schedule(b"one")
    air.activate()
    schedule(b"two")
    air.uplink()
    assert air.received() == [b"two"]


def test_a_join_that_is_still_being_recorded_is_not_taken_for_lost(
    air: Air, schedule: Schedule, simulation: Simulation
) -> None:
    air.activate()
    air.remember(simulation.network.join(APPLICATION, DEVICE.device_id, accepted=False))
    air.remember(air.uplink())
    joined = [air.join]

    def sleep(_seconds: float) -> None:
        while joined:
            air.remember(joined.pop()())
            air.remember(air.uplink())

    schedule(b"one", sleep=sleep)
    air.uplink()
    assert air.received() == [b"one"]


def test_counters_that_acknowledgements_took_are_not_pushed(
    air: Air, schedule: Schedule, simulation: Simulation, encryption: Encryption
) -> None:
    decryption = Decryption(encryption.keys, log=None)  # type: ignore[arg-type]
    air.activate()
    schedule(b"one")
    air.uplink()
    for _ in range(2):
        since = len(simulation.network.published)
        air.uplink(confirmed=True)
        for each in list(simulation.network.published)[since:]:
            decryption.decrypt(upstream_message(each), "tank-7")
    before = len(simulation.requests)
    schedule(b"two")
    assert pushes(simulation, before) == [200]
    assert failures(simulation) == []


def test_uplinks_raise_the_counter_as_well(air: Air, schedule: Schedule, simulation: Simulation) -> None:
    air.activate()
    schedule(b"one")
    air.uplink()
    air.uplink(confirmed=True)
    air.remember(air.uplink())
    before = len(simulation.requests)
    schedule(b"two")
    assert pushes(simulation, before) == [200]


# Pushes that were refused, or not answered ----------------------------------------------------------------------------


def upstream_message(published: Published) -> UpstreamMessage:
    return upstream.parse(events.rule_output(published.body, f"thethings/lorawan/farm/{published.topic}"), "farm")


def refused_once(air: Air, schedule: Schedule, simulation: Simulation) -> Published:
    """A request whose first push is refused for its counter, and the message that this causes."""
    air.activate()
    schedule(b"one")
    air.uplink()
    simulation.network.set_frame_counters(APPLICATION, DEVICE.device_id, f_cnt_down=20_000)
    schedule(b"two", mark="thingbridge:two")
    (failure,) = failures(simulation)
    assert len(air.queue()) == 1
    return failure


def test_a_failure_is_not_published_if_a_later_push_succeeds(
    air: Air, schedule: Schedule, simulation: Simulation, encryption: Encryption
) -> None:
    failure = upstream_message(refused_once(air, schedule, simulation))
    assert Decryption(encryption.keys, log=None).decrypt(failure, "tank-7") is None  # type: ignore[arg-type]


def test_a_failure_that_comes_before_the_push_that_succeeds_is_held(
    air: Air, schedule: Schedule, simulation: Simulation, encryption: Encryption, clock: Clock
) -> None:
    message = upstream_message(refused_once(air, schedule, simulation))
    other = {**message.body["downlink_failed"]["downlink"], "correlation_ids": ["thingbridge:three"]}
    failure = message._replace(body={**message.body, "downlink_failed": {**message.body["downlink_failed"],
                                                                         "downlink": other}})  # fmt: skip
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            encryption.keys.table.note_queued(str(DEVICE.dev_eui), "thingbridge:three")

    decryption = Decryption(encryption.keys, log=None, sleep=sleep)  # type: ignore[arg-type]
    assert decryption.decrypt(failure, "tank-7") is None
    assert len(waits) == 2


def test_a_failure_is_published_after_some_seconds_if_no_later_push_succeeds(
    air: Air, schedule: Schedule, simulation: Simulation, encryption: Encryption, clock: Clock
) -> None:
    message = upstream_message(refused_once(air, schedule, simulation))
    other = {**message.body["downlink_failed"]["downlink"], "correlation_ids": ["thingbridge:never"]}
    failure = message._replace(body={**message.body, "downlink_failed": {**message.body["downlink_failed"],
                                                                         "downlink": other}})  # fmt: skip
    decryption = Decryption(encryption.keys, log=None, sleep=clock.wait)  # type: ignore[arg-type]
    published = decryption.decrypt(failure, "tank-7")
    assert published is not None
    assert published.body["downlink_failed"]["downlink"]["frm_payload"] == base64.b64encode(b"two").decode()
    assert clock.now == pytest.approx(sum(PAUSES), abs=2)


@pytest.mark.parametrize(
    ("name", "correlation_ids"), [("f_cnt_too_low", ["order:1"]), ("application_downlink_too_long", ["thingbridge:1"])]
)
def test_failures_of_others_and_failures_for_good_are_published_at_once(
    air: Air, encryption: Encryption, calls: Callable[[], dict[str, int]], name: str, correlation_ids: list[str]
) -> None:
    body = {
        "end_device_ids": {"device_id": DEVICE.device_id, "dev_eui": DEVICE.dev_eui},
        "downlink_failed": {"downlink": {"f_port": 1, "correlation_ids": correlation_ids}, "error": {"name": name}},
    }
    message = upstream.parse(events.rule_output(body, "thethings/lorawan/farm/downlink/failed"), "farm")
    calls()
    assert Decryption(encryption.keys, log=None).decrypt(message, "tank-7") is message  # type: ignore[arg-type]
    assert calls() == {}


@pytest.mark.parametrize("fault", [{"reset": True, "after": True}, {"status": 504, "after": True}])
def test_a_push_that_was_accepted_without_an_answer_is_not_sent_twice(
    air: Air, schedule: Schedule, simulation: Simulation, fault: dict[str, Any]
) -> None:
    air.activate()
    simulation.faults.add(method="POST", path="/down/push", **fault)
    schedule(b"one", mark="thingbridge:one")
    assert len(air.queue()) == 1
    # Handled again a minute later, because the function ended before it was done.
    schedule(b"one", mark="thingbridge:one", repeated=True)
    assert len(air.queue()) == 1


def test_a_push_that_was_not_accepted_is_repeated_under_the_same_counter(
    air: Air, schedule: Schedule, simulation: Simulation
) -> None:
    air.activate()
    simulation.faults.add(method="POST", path="/down/push", reset=True)
    schedule(b"one", mark="thingbridge:one")
    used = [
        each.body["downlinks"][0]["f_cnt"]
        for each in simulation.requests
        if each.path.endswith(f"{DEVICE.device_id}/down/push")
    ]
    assert len(air.queue()) == 1
    assert used[-1] == used[-2]


def test_a_key_that_can_not_be_read_is_refused_without_naming_the_account(
    air: Air, things_stack: ThingsStack, encryption: Encryption, clients: Clients, clock: Clock
) -> None:
    air.activate()
    recreated = SessionKeys(encryption.keys.table, Secrets(clients), f"{encryption.label[:-6]}other1")
    queue = EncryptedDownlinkQueue(things_stack, recreated, now=clock, sleep=clock.wait)
    with pytest.raises(NotSendable, match="has to join again") as refusal:
        queue.schedule(DEVICE, [{"f_port": 1, "frm_payload": "AQ=="}])
    assert "arn:" not in str(refusal.value)


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
