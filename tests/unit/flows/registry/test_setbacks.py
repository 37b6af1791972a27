"""Work items of what has been failing: tried at first as often as they come, then less and less often."""

import json
from dataclasses import dataclass, field

import pytest

from tests.unit.conftest import Clock
from thingbridge.errors import Busy
from thingbridge.flows.registry.setbacks import LONGEST_PAUSE, PASSING, REMEMBERED, Setbacks, Sparing
from thingbridge.registry.work_items import WorkItem

RUN = 600
DAY = 86_400
THING, DEVICE = WorkItem(thing_name="barn").body(), WorkItem(device_id="tank-7").body()
CREATED = json.dumps({"operation": "CREATED", "thingName": "barn", "stackName": "farm"})


@dataclass
class Registry:
    """Keeps the messages that arrive; it fails while `down`."""

    down: bool = True
    attempts: list[str] = field(default_factory=list)

    def handle(self, body: str) -> None:
        self.attempts.append(body)
        if self.down:
            raise Busy("The Things Stack answered 500")


@dataclass
class Function:
    """The function with one execution environment, and what is in its queue when a run ends."""

    clock: Clock
    registry: Registry
    sparing: Sparing

    def deliver(self, body: str, *pauses: int) -> None:
        """Deliver a message, and again after these pauses while it fails."""
        for pause in (*pauses, 0):
            try:
                self.sparing.handle(body)
            except Busy:
                self.clock.wait(pause)
            else:
                return

    def compare(self, seconds: float, body: str = THING) -> int:
        """Compare every ten minutes for so long, which sends the same item each time; returns the attempts."""
        before, until = len(self.registry.attempts), self.clock() + seconds
        while self.clock() < until:
            began = self.clock()
            self.deliver(body, 5, 30, 120)
            self.clock.wait(max(0.0, began + RUN - self.clock()))
        return len(self.registry.attempts) - before


@pytest.fixture
def function(clock: Clock) -> Function:
    registry = Registry()
    return Function(clock, registry, Sparing(registry, Setbacks(clock)))


@pytest.mark.parametrize("item", [THING, DEVICE], ids=["a thing", "a device"])
def test_what_keeps_failing_is_tried_about_once_an_hour_however_often_it_is_found(
    function: Function, item: str
) -> None:
    assert function.compare(DAY, item) < 50  # 576 without a memory
    assert function.compare(DAY, item) <= DAY / LONGEST_PAUSE


def test_a_failure_that_passes_is_repaired_by_the_next_run(function: Function) -> None:
    function.deliver(THING, 5, 30, 120)
    function.registry.down = False
    assert function.compare(1) == 1


def test_after_an_outage_everything_is_tried_within_an_hour(function: Function) -> None:
    function.compare(10 * 3600)
    function.registry.down = False
    assert function.compare(LONGEST_PAUSE) >= 1
    assert function.compare(3600) == 6


def test_an_event_is_always_handled_and_its_failures_count(function: Function) -> None:
    for _ in range(3):
        function.deliver(CREATED, RUN)
    function.deliver(THING)
    assert function.registry.attempts == [CREATED] * 6
    function.deliver(CREATED)
    assert len(function.registry.attempts) == 7


def test_other_things_and_devices_are_not_held_up(function: Function) -> None:
    function.deliver(THING, RUN, RUN, RUN)
    function.deliver(WorkItem(device_id="barn").body())
    assert function.registry.attempts[-1] == WorkItem(device_id="barn").body()


def test_an_item_that_is_left_alone_is_logged(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.deliver(DEVICE, RUN, RUN)
    function.deliver(DEVICE)
    entry = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (entry["event"], entry["device_id"]) == ("work_item_deferred", "tank-7")


def test_the_memory_is_bounded(clock: Clock) -> None:
    setbacks = Setbacks(clock)
    items = [WorkItem(device_id=f"dev-{number}") for number in range(REMEMBERED + 1)]
    for _ in range(2):
        for item in items:
            setbacks.failed(item)
        clock.wait(PASSING)
    assert len(setbacks._failures) == REMEMBERED


def test_an_item_that_removes_keys_is_never_left_alone(function: Function) -> None:
    function.deliver(THING, RUN, RUN)
    item = WorkItem(thing_name="barn", thing_id="0a1b2c3d").body()
    function.deliver(item)
    assert function.registry.attempts[-1] == item
