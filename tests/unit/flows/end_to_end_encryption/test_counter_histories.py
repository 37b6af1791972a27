"""Histories of downlinks under end-to-end encryption: no counter of a session ever encrypts two payloads.

What counts is what The Things Stack has seen: every downlink of every push, also of those that it refused. The messages
that it publishes reach the stack in any order, late, or not at all; the network takes counters for itself; the table of
sessions is replaced by a new one, or by an older copy.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.things_stack import ThingsStack as Simulation
from local.things_stack.network.dropped import Dropped
from tests import events
from tests.sizes import size
from tests.unit.conftest import APPLICATION, Clock
from tests.unit.flows.conftest import DEVICE, SESSIONS, Air, Encryption, create_sessions_table
from thingbridge.aws.clients import Clients
from thingbridge.aws.secrets import Secrets
from thingbridge.aws.sessions import TABLE_KNOWN_FOR, SessionTable
from thingbridge.aws.things_log import ThingsLog
from thingbridge.encryption import downlinks, messages
from thingbridge.encryption.sessions import SKIPPED_ATTRIBUTE
from thingbridge.errors import Busy, Refused
from thingbridge.flows.end_to_end_encryption.decryption import Decryption
from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.messaging import upstream
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack

STEPS = (
    *("request", "requests", "own downlink", "deliver", "copy", "restore", "new table") * 3,
    "confirmed", "replace", "uplink", "confirmed uplink", "nack", "rejoin", "lost join",
)  # fmt: skip


class History:
    """A device, and a stack whose table and messages are at the mercy of the steps."""

    def __init__(
        self, simulation: Simulation, air: Air, encryption: Encryption, things_stack: ThingsStack, clients: Clients,
        seed: int,
    ) -> None:  # fmt: skip
        self.simulation, self.air, self.clients, self.random = simulation, air, clients, Random(seed)
        self.clock = Clock(1_700_000_000.0)
        table = SessionTable(clients, SESSIONS, now=self.clock)
        self.keys = SessionKeys(table, Secrets(clients), encryption.label)
        self.queue = EncryptedDownlinkQueue(
            things_stack, self.keys, patience=0.2, now=self.clock, sleep=self.clock.wait
        )
        self.decryption = Decryption(self.keys, ThingsLog(clients, "none"), pauses=())
        self.published = len(simulation.network.published)
        self.seen = len(simulation.requests)
        self.copy: list[dict[str, Any]] = []
        self.payloads = 0

    def take(self, step: str) -> None:
        network = self.simulation.network
        steps: dict[str, Callable[[], object]] = {
            "request": lambda: self.request(1),
            "requests": lambda: self.request(self.random.randint(2, 4)),
            "confirmed": lambda: self.request(1, confirmed=True),
            "replace": lambda: self.request(1, replace=True),
            "uplink": self.air.uplink,
            "confirmed uplink": lambda: self.air.uplink(confirmed=True),
            "nack": lambda: self.air.uplink(ack=False),
            "own downlink": lambda: network.invalidate_queue(APPLICATION, DEVICE.device_id),
            "rejoin": self.air.join,
            "lost join": lambda: network.join(APPLICATION, DEVICE.device_id, accepted=False),
            "deliver": self.deliver,
            "copy": self.keep_copy,
            "restore": lambda: self.replace_table(self.copy),
            "new table": lambda: self.replace_table([]),
        }
        with suppress(Busy, Refused, Dropped):
            steps[step]()

    def keep_copy(self) -> None:
        self.copy = self.clients("dynamodb").scan(TableName=SESSIONS)["Items"]

    def request(self, count: int, *, replace: bool = False, **fields: Any) -> None:
        contents = [f"payload {self.payloads + each}".encode() for each in range(count)]
        self.payloads += count
        self.queue.schedule(
            DEVICE,
            [{"f_port": 15, "frm_payload": base64.b64encode(each).decode(), **fields} for each in contents],
            replace=replace,
        )

    def deliver(self) -> None:
        """Some of the messages that were published since, in another order; the others are lost."""
        published = list(self.simulation.network.published)
        fresh, self.published = published[self.published :], len(published)
        chosen = [each for each in fresh if self.random.random() < 0.8]
        self.random.shuffle(chosen)
        for each in chosen:
            event = events.rule_output(each.body, f"thethings/lorawan/farm/{each.topic}")
            message = upstream.parse(event, "farm")
            self.decryption.decrypt(message, "tank-7")
            self.queue_again(each.message)

    def queue_again(self, body: dict[str, Any]) -> None:
        """What the flow `requeue` does with returned downlinks, in short."""
        for each in downlinks.returned(body).downlinks:
            plain = messages.decrypted_downlink(each, self.keys.key_of(str(DEVICE.dev_eui)))
            if plain != each:
                self.queue.schedule(DEVICE, [plain])

    def replace_table(self, items: list[dict[str, Any]]) -> None:
        """Another table under the same name. Restoring one takes longer than its identity is remembered."""
        dynamodb = self.clients("dynamodb")
        dynamodb.delete_table(TableName=SESSIONS)
        create_sessions_table(self.clients)
        for each in items:
            dynamodb.put_item(TableName=SESSIONS, Item=each)
        self.clock.now += TABLE_KNOWN_FOR + 1

    def used(self) -> Iterator[tuple[tuple[str, int], str]]:
        """The session and counter, and the ciphertext, of each encrypted downlink that The Things Stack was given."""
        for request in list(self.simulation.requests)[self.seen :]:
            if request.path.endswith(("/down/push", "/down/replace")):
                for each in request.body.get("downlinks", ()):
                    if each.get("f_cnt"):
                        yield (each["session_key_id"], each["f_cnt"]), each["frm_payload"]


@pytest.fixture
def begin(
    simulation: Simulation, air: Air, encryption: Encryption, things_stack: ThingsStack, clients: Clients
) -> Callable[[int], History]:
    def start(seed: int) -> History:
        air.forget()
        air.register()
        clients("dynamodb").delete_table(TableName=SESSIONS)
        create_sessions_table(clients)
        history = History(simulation, air, encryption, things_stack, clients, seed)
        air.join()
        air.uplink()
        history.deliver()
        return history

    return start


@settings(
    max_examples=size(5, 1_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # shrinking would repeat a failed history for minutes
)  # fmt: skip
@given(steps=st.lists(st.sampled_from(STEPS), min_size=15, max_size=40), seed=st.integers(0, 2**16))
def test_no_counter_of_a_session_ever_encrypts_two_payloads(
    begin: Callable[[int], History], steps: list[str], seed: int
) -> None:
    history = begin(seed)
    for step in steps:
        history.take(step)
    ciphertexts: dict[tuple[str, int], str] = {}
    for counter, ciphertext in history.used():
        assert ciphertexts.setdefault(counter, ciphertext) == ciphertext, counter


@pytest.mark.parametrize("table", ["new table", "restore"])
def test_counters_continue_above_those_that_were_issued_before_the_table_was_replaced(
    begin: Callable[[int], History], table: str
) -> None:
    history = begin(7)
    for step in ("request", "uplink", "copy", "requests", "own downlink", table, "request"):
        history.take(step)
    counters = [f_cnt for (_, f_cnt), _ in history.used()]
    assert len(counters) == len(set(counters))
    assert counters[-1] > max(counters[:-1])


def test_a_table_that_is_replaced_again_before_a_downlink_was_sent_uses_no_counter_of_the_one_before(
    begin: Callable[[int], History],
) -> None:
    history = begin(7)
    for step in ("copy", "request", "own downlink", *("restore", "request", "own downlink") * 3):
        history.take(step)
    counters = [f_cnt for (_, f_cnt), _ in history.used()]
    assert len(counters) == 4
    assert counters == sorted(set(counters))


@pytest.mark.parametrize(("own", "kept"), [(8, True), (9, False)])
def test_the_place_of_a_counter_leaves_room_for_the_mark_of_the_device(
    begin: Callable[[int], History], things_stack: ThingsStack, own: int, kept: bool
) -> None:
    history = begin(7)
    attributes = {f"own-{each}": "x" for each in range(own)}
    things_stack.end_devices.set_attributes(DEVICE.device_id, attributes)
    for step in ("request", "new table", "request"):
        history.take(step)
    found = things_stack.end_devices.get(Server.IDENTITY, DEVICE.device_id, ("attributes",))
    assert found is not None
    assert {name: value for name, value in found["attributes"].items() if name in attributes} == attributes
    assert (SKIPPED_ATTRIBUTE in found["attributes"]) is kept
    assert len(list(history.used())) == 2
