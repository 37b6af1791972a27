"""A comparison of two registries in memory: the work it sends, and that a resumed run sends what one long run sends."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sizes import size
from thingbridge.errors import BadInput
from thingbridge.registry import sync
from thingbridge.registry.marks import KEPT, UNFINISHED, Mark, Owner
from thingbridge.registry.reconcile import Decision, DevicePage, ListedDevice, OnThingDeleted
from thingbridge.registry.sync import (
    DEVICES_PER_PAGE,
    LONGEST_BACKLOG,
    LOOKED_AT_IF_REFUSED,
    Count,
    KeptIndex,
    ListedThing,
    Rules,
    Run,
    SyncMode,
)
from thingbridge.registry.work_items import WorkItem

STACK = "farm"
FARM = Owner("eu-west-1", "123456789012", STACK)
ORCHARD = Owner("eu-west-1", "123456789012", "orchard")
ELSEWHERE = Owner("us-east-1", "123456789012", STACK)
PLENTY = 900.0


@dataclass
class InMemory:
    """Both registries, and the queue."""

    end_devices: list[ListedDevice] = field(default_factory=list)
    all_things: list[ListedThing] = field(default_factory=list)
    sent: list[WorkItem] = field(default_factory=list)
    waiting: int = 0
    page_size: int = 5
    longest_page: int = DEVICES_PER_PAGE
    counted: bool = True

    def devices(self, page: int) -> DevicePage:
        listed = self.end_devices[(page - 1) * self.longest_page : page * self.longest_page]
        return DevicePage(listed, len(self.end_devices) if self.counted else None)

    def things(self, token: str | None) -> tuple[Sequence[ListedThing], str | None]:
        start = int(token or 0)
        end = start + self.page_size
        return self.all_things[start:end], str(end) if end < len(self.all_things) else None

    def backlog(self) -> int:
        return self.waiting

    def send(self, items: Sequence[WorkItem]) -> int:
        self.sent += items
        return 1


def eui(number: int) -> str:
    return f"A81758FFFE{number:06X}"


def thing(number: int, *, creates: bool = False, **attributes: str) -> ListedThing:
    described = {
        "joinEUI": "A81758FFFE000001",
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": "01" * 16,
    }
    basic = {"devEUI": eui(number), "stackName": STACK}
    return ListedThing(f"thing-{number}", {**basic, **(described if creates else {}), **attributes})


def device(number: int, mark: Mark | None = None) -> ListedDevice:
    return ListedDevice(f"dev-{number}", eui(number), mark)


def marked(number: int, of: ListedThing | None = None) -> ListedDevice:
    source = of or thing(number)
    return device(number, Mark.of(source.name, source.attributes, FARM))


def rules(
    examples: list[tuple[Decision, str]] | None = None,
    choice: OnThingDeleted = OnThingDeleted.DELETE,
    refusals: list[tuple[int, int]] | None = None,
) -> Rules:
    return Rules(
        FARM,
        choice,
        lambda decision, what: (examples if examples is not None else []).append((decision, what)),
        lambda deletions, marked: (refusals if refusals is not None else []).append((deletions, marked)),
    )


def run_once(
    registries: InMemory, mode: SyncMode = SyncMode.APPLY, *, allowed: int = 0, run_id: str = "r", **arguments: object
) -> dict[str, int]:
    stopped, finished = sync.resume(Run(run_id, mode, allowed), registries, rules(**arguments), lambda: PLENTY)  # type: ignore[arg-type]
    assert finished
    return {name: count for name, count in stopped.counts.items() if count}


def test_each_kind_of_difference_is_sent_and_nothing_else() -> None:
    changed = thing(5, frequencyPlanID="EU_868_1")
    registries = InMemory(
        end_devices=[marked(1), device(2), marked(3), device(4), marked(5), device(6, Mark("x", ORCHARD))],
        all_things=[thing(1), thing(4), changed, thing(6), thing(7, creates=True), thing(8), thing(9, appKey="1")],
    )
    counts = run_once(registries)
    assert set(registries.sent) == {
        WorkItem(device_id="dev-2"),
        WorkItem(device_id="dev-3", may_delete=True),
        WorkItem(thing_name="thing-4"),
        WorkItem(thing_name="thing-5"),
        WorkItem(thing_name="thing-7"),
    }
    assert len(registries.sent) == 5
    assert counts == {
        Count.SEEN: 13,
        Count.IN_STEP: 2,
        Count.MISSING_THINGS: 1,
        Count.DELETED_THINGS: 1,
        Count.UNMARKED: 1,
        Count.DIFFERING: 1,
        Count.MISSING_DEVICES: 1,
        Count.LEFT: 1,
        Count.FAILED: 1,
        Count.SENT: 5,
        Count.THING_CALLS: 2,
        Count.DEVICE_CALLS: 1,
        Count.QUEUE_CALLS: 1,
        Count.PARTS: 1,
    }


@pytest.mark.parametrize("device_id", ["dev-9", "dev-2"], ids=["of no device", "of another device"])
def test_a_thing_whose_device_id_is_not_that_of_its_dev_eui_needs_a_look_and_no_work(device_id: str) -> None:
    examples: list[tuple[Decision, str]] = []
    misnamed = thing(1, creates=True, deviceID=device_id)
    registries = InMemory([marked(1), marked(2)], [misnamed, thing(2)])
    counts = run_once(registries, examples=examples)
    assert registries.sent == []
    assert examples == [(Decision.MISNAMED, misnamed.name)]
    assert (counts[Count.FAILED], counts[Count.IN_STEP]) == (1, 1)


def test_of_two_devices_with_one_dev_eui_the_thing_stands_for_the_one_it_names() -> None:
    named = thing(1, deviceID="dev-0")
    twin = ListedDevice("dev-0", eui(1), Mark.of(named.name, named.attributes, FARM))
    registries = InMemory([marked(1), twin], [named])
    assert run_once(registries)[Count.IN_STEP] == 1


def test_devices_that_are_kept_without_a_thing_make_no_deletion_look_small() -> None:
    kept = [device(number, Mark(f"thing-{number}", FARM, KEPT)) for number in range(100, 200)]
    registries = InMemory([*kept, *(marked(number) for number in range(8))], [])
    refusals: list[tuple[int, int]] = []
    assert run_once(registries, refusals=refusals)[Count.REFUSED] == 8
    assert refusals == [(8, 8)]


def test_two_registries_in_step_need_no_work() -> None:
    registries = InMemory([marked(n) for n in range(20)], [thing(n) for n in range(20)])
    counts = run_once(registries)
    assert (counts[Count.IN_STEP], counts[Count.SEEN], registries.sent) == (20, 40, [])


@pytest.mark.parametrize("counted", [True, False], ids=["the server counts them", "the server does not"])
def test_a_page_shorter_than_requested_is_not_the_last(counted: bool) -> None:
    registries = InMemory([device(number) for number in range(25)], longest_page=10, counted=counted)
    counts = run_once(registries)
    assert counts[Count.SEEN] == 25
    assert counts[Count.DEVICE_CALLS] == (3 if counted else 4)


def test_a_report_sends_nothing_and_counts_the_same() -> None:
    def drifted() -> InMemory:
        return InMemory([device(1), marked(2)], [thing(3, creates=True)])

    applied, reported = drifted(), drifted()
    report = run_once(reported, SyncMode.REPORT)
    done = run_once(applied)
    assert reported.sent == []
    work = {Count.SENT, Count.QUEUE_CALLS}
    assert report == {name: count for name, count in done.items() if name not in work}
    assert len(applied.sent) == 3


def test_a_second_thing_of_a_device_is_reported_and_never_marks_the_device_again() -> None:
    examples: list[tuple[Decision, str]] = []
    twin = ListedThing("twin", thing(1).attributes)
    registries = InMemory([marked(1)], [thing(1), twin])
    assert run_once(registries, examples=examples)[Count.FAILED] == 1
    assert examples == [(Decision.DUPLICATE, "twin")]
    assert registries.sent == []


def test_a_device_that_the_stack_retains_is_looked_at_once() -> None:
    registries = InMemory([marked(1), device(2, Mark("thing-2", FARM, KEPT))], [])
    counts = run_once(registries, choice=OnThingDeleted.RETAIN)
    assert (counts[Count.RETAINED], registries.sent) == (2, [WorkItem(device_id="dev-1")])


def test_a_kept_device_is_counted_and_no_work_and_no_deletion() -> None:
    registries = InMemory([device(n, Mark(f"thing-{n}", FARM, KEPT)) for n in range(50)], [])
    counts = run_once(registries)
    assert (counts[Count.RETAINED], counts.get(Count.REFUSED), registries.sent) == (50, None, [])


def test_a_device_with_a_mark_of_another_stack_is_left_to_it() -> None:
    registries = InMemory([device(1, Mark("x", ORCHARD)), device(2, Mark("x", ELSEWHERE))], [])
    counts = run_once(registries)
    assert (counts[Count.FOREIGN], registries.sent) == (2, [])


@pytest.mark.parametrize("digest", [UNFINISHED, KEPT])
@pytest.mark.parametrize(("owner", "taken"), [(ORCHARD, True), (ELSEWHERE, False)], ids=["neighbour", "stranger"])
def test_a_mark_that_comes_with_a_thing_is_taken(owner: Owner, digest: str, taken: bool) -> None:
    moved = thing(1)
    registries = InMemory([device(1, Mark(moved.name, owner, digest)), device(2, Mark("x", owner, digest))], [moved])
    run_once(registries)
    assert registries.sent == ([WorkItem(thing_name=moved.name)] if taken else [])


def test_a_device_without_room_for_a_mark_is_counted_and_no_work() -> None:
    long = ListedThing("t" * 128, {"devEUI": eui(2), "stackName": STACK})
    registries = InMemory([ListedDevice("dev-1", eui(1), None, room=False), device(2)], [thing(1), long])
    owner = replace(FARM, stack_name="s" * 40)
    stopped, _ = sync.resume(Run("r", SyncMode.APPLY), registries, replace(rules(), owner=owner), lambda: PLENTY)
    assert (stopped.counts[Count.UNMARKABLE], registries.sent) == (2, [])


@pytest.mark.parametrize(
    ("gone", "allowed", "deleted"), [(10, 0, 10), (11, 0, 0), (11, 10, 0), (11, 11, 11), (11, 50, 11)]
)
def test_a_mass_deletion_is_refused_as_a_whole_unless_that_many_are_allowed(
    gone: int, allowed: int, deleted: int
) -> None:
    refusals: list[tuple[int, int]] = []
    registries = InMemory([marked(n) for n in range(50)] + [device(99)], [thing(n) for n in range(gone, 50)])
    counts = run_once(registries, refusals=refusals, allowed=allowed)
    assert counts.get(Count.REFUSED, 0) == gone - deleted
    assert counts.get(Count.DELETED_THINGS, 0) == deleted
    # The new device still gets its thing.
    assert WorkItem(device_id="dev-99") in registries.sent
    assert sum(item.may_delete for item in registries.sent) == deleted
    assert refusals == ([] if deleted else [(gone, 50)])


def test_refused_deletions_are_looked_at_some_in_each_run_until_all_were() -> None:
    devices = [marked(n) for n in range(3 * LOOKED_AT_IF_REFUSED)]
    looked_at: set[WorkItem] = set()
    for number in range(40):
        registries = InMemory(devices, [])
        run_once(registries, run_id=f"run-{number}")
        assert len(set(registries.sent)) == len(registries.sent) == LOOKED_AT_IF_REFUSED
        looked_at |= set(registries.sent)
    assert looked_at == {WorkItem(device_id=each.device_id) for each in devices}


def test_a_report_names_what_would_be_deleted() -> None:
    examples: list[tuple[Decision, str]] = []
    run_once(InMemory([marked(1), marked(2)], [thing(2)]), SyncMode.REPORT, examples=examples)
    assert examples == [(Decision.DELETE_DEVICE, "dev-1")]


def test_work_beyond_the_longest_backlog_is_left_to_the_next_run() -> None:
    registries = InMemory([device(n) for n in range(8)], [], waiting=LONGEST_BACKLOG - 3)
    counts = run_once(registries)
    assert (counts[Count.SENT], counts[Count.DEFERRED], len(registries.sent)) == (3, 5, 3)


def test_the_state_of_a_run_is_read_as_it_was_sent() -> None:
    registries = InMemory([device(n) for n in range(30)], [thing(n) for n in range(30)])
    stopped, finished = sync.resume(Run("r", SyncMode.APPLY), registries, rules(), TimeLeft([PLENTY, 0.0]))
    assert not finished

    assert Run.read(json.loads(stopped.message())["continue"]) == stopped
    for broken in ({}, {"run_id": "r"}, {**stopped.__dict__, "mode": "x"}, {**stopped.__dict__, "more": 1}):
        with pytest.raises(BadInput):
            Run.read(broken)


class TimeLeft:
    """Seconds left, one after the other with each call; the last value stays."""

    def __init__(self, values: list[float]) -> None:
        self._values = values

    def __call__(self) -> float:
        return self._values.pop(0) if len(self._values) > 1 else self._values[0]


@st.composite
def registries_in_any_state(draw: st.DrawFn) -> InMemory:
    numbers = range(draw(st.integers(0, 60)))
    end_devices, things = [], []
    for number in numbers:
        kind = draw(st.sampled_from(["in step", "new", "gone", "create", "differs", "unmarked", "foreign", "twin"]))
        if kind in ("in step", "gone"):
            end_devices.append(marked(number))
        if kind in ("new", "unmarked"):
            end_devices.append(device(number))
        if kind in ("differs", "twin"):
            end_devices.append(marked(number, thing(number, deviceID="other")))
        if kind == "foreign":
            end_devices.append(device(number, Mark("x", ORCHARD)))
        if kind in ("in step", "differs", "unmarked", "foreign", "twin"):
            things.append(thing(number))
        if kind == "twin":
            things.append(ListedThing(f"twin-{number}", thing(number).attributes))
        if kind == "create":
            things.append(thing(number, creates=True))
    return InMemory(
        draw(st.permutations(end_devices)), draw(st.permutations(things)), page_size=draw(st.integers(1, 9))
    )


@settings(max_examples=size(20, 1000))
@given(both=registries_in_any_state(), pages=st.lists(st.integers(0, 4), min_size=1), same_process=st.booleans())
def test_a_resumed_run_makes_the_decisions_of_one_long_run(
    both: InMemory, pages: list[int], same_process: bool
) -> None:
    whole = InMemory(both.end_devices, both.all_things, page_size=both.page_size)
    expected = run_once(whole)
    run, finished, parts, kept = Run("r", SyncMode.APPLY), False, 0, KeptIndex()
    while not finished:
        # Time for this many pages: a run is stopped at every possible place.
        allowed = pages[parts] if parts < len(pages) else 1000
        run, finished = sync.resume(run, both, rules(), TimeLeft([PLENTY] * allowed + [0.0]), kept)
        run = run if finished else Run.read(json.loads(run.message())["continue"])
        kept = kept if same_process else KeptIndex()
        parts += 1
    assert sorted(map(str, both.sent)) == sorted(map(str, whole.sent))
    varying = {Count.PARTS, Count.DEVICE_CALLS, Count.QUEUE_CALLS}
    done = {name: count for name, count in run.counts.items() if count and name not in varying}
    assert done == {name: count for name, count in expected.items() if name not in varying}
    assert run.counts[Count.PARTS] == parts


def test_a_run_that_is_continued_in_the_same_process_lists_no_device_again() -> None:
    registries = InMemory([marked(n) for n in range(40)], [thing(n) for n in range(40)])
    kept = KeptIndex()
    stopped, _ = sync.resume(Run("r", SyncMode.APPLY), registries, rules(), TimeLeft([PLENTY, PLENTY, 0.0]), kept)
    done, finished = sync.resume(stopped, registries, rules(), lambda: PLENTY, kept)
    assert finished
    assert (done.counts[Count.DEVICE_CALLS], done.counts[Count.IN_STEP], registries.sent) == (1, 40, [])


def test_a_call_that_failed_leaves_no_index_to_the_next_attempt() -> None:
    registries = InMemory([marked(n) for n in range(40)], [thing(n) for n in range(40)])
    kept = KeptIndex()
    stopped, _ = sync.resume(Run("r", SyncMode.APPLY), registries, rules(), TimeLeft([PLENTY, PLENTY, 0.0]), kept)
    with pytest.raises(StopIteration):
        # Fails after another page, whose devices then count as seen.
        sync.resume(stopped, registries, rules(), iter([PLENTY]).__next__, kept)
    done, finished = sync.resume(stopped, registries, rules(), lambda: PLENTY, kept)
    assert finished
    assert (done.counts[Count.DEVICE_CALLS], done.counts[Count.IN_STEP], registries.sent) == (2, 40, [])


def test_the_index_of_one_run_is_not_that_of_another() -> None:
    registries = InMemory([marked(n) for n in range(40)], [thing(n) for n in range(40)])
    kept = KeptIndex()
    sync.resume(Run("r", SyncMode.APPLY), registries, rules(), TimeLeft([PLENTY, PLENTY, 0.0]), kept)
    done, _ = sync.resume(Run("other", SyncMode.APPLY), registries, rules(), lambda: PLENTY, kept)
    assert (done.counts[Count.DEVICE_CALLS], done.counts[Count.IN_STEP]) == (1, 40)


def test_devices_that_are_registered_between_two_calls_are_left_to_the_next_run() -> None:
    registries = InMemory([marked(n) for n in range(40)], [thing(n) for n in range(40)])
    stopped, finished = sync.resume(Run("r", SyncMode.APPLY), registries, rules(), TimeLeft([PLENTY, PLENTY, 0.0]))
    assert not finished
    registries.end_devices.append(device(77))
    _, finished = sync.resume(stopped, registries, rules(), lambda: PLENTY)
    assert finished
    # None of the forty is mistaken for a device whose thing is gone.
    assert registries.sent == []
