"""Devices held compactly: found by the attributes of a thing, and remembered across calls."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sizes import size
from thingbridge.registry import attributes as attributes_of
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.device_index import DeviceIndex, Entry, Unmatched
from thingbridge.registry.marks import KEPT, Mark, Owner
from thingbridge.registry.reconcile import ListedDevice, MarkedBy

FARM = Owner("eu-west-1", "123456789012", "farm")
ORCHARD = Owner("eu-west-1", "123456789012", "orchard")
ELSEWHERE = Owner("us-east-1", "123456789012", "farm")
OURS = Mark("barn", FARM, "0123456789abcdef")


def eui(number: int) -> str:
    return f"{number:016X}"


def index_of(*devices: ListedDevice) -> DeviceIndex:
    index = DeviceIndex(FARM)
    for device in devices:
        index.add(device)
    index.close()
    return index


def numbered(numbers: set[int]) -> DeviceIndex:
    return index_of(*(ListedDevice(f"dev-{number}", eui(number), None) for number in numbers))


def find(index: DeviceIndex, number: int) -> bool:
    return by_eui(index, number) is not None


def by_eui(index: DeviceIndex, number: int) -> Entry | None:
    return index.find(DeviceReference("", eui(number), named=False))


@pytest.mark.parametrize(
    "attributes", [{"devEUI": "a81758fffe0312ab"}, {"devEUI": "A81758FFFE0312AB", "deviceID": "other-name"}]
)
def test_a_thing_finds_its_device_by_dev_eui_in_upper_and_lower_case(attributes: dict[str, str]) -> None:
    index = index_of(ListedDevice("tank-7", "A81758FFFE0312AB", OURS))
    assert index.find(attributes_of.reference(attributes)) is not None


def test_a_device_without_dev_eui_is_found_by_its_id() -> None:
    index = index_of(ListedDevice("tank-7", None, None))
    assert index.find(DeviceReference("tank-8", None, named=True)) is None
    assert index.find(DeviceReference("tank-7", None, named=True)) is not None


def test_a_thing_without_dev_eui_finds_the_device_with_its_device_id_which_has_one() -> None:
    index = index_of(*(ListedDevice(f"tank-{number}", eui(number), None) for number in range(50)))
    assert index.find(DeviceReference("tank-50", None, named=True)) is None
    assert index.find(DeviceReference("tank-7", None, named=True)) is not None
    assert "tank-7" not in [each.device_id for each in index.unmatched()]
    # One that has a DevEUI stands for the device with that, whatever its device id.
    assert index.find(DeviceReference("tank-8", eui(99), named=True)) is None


def test_an_entry_shows_who_marked_the_device_and_for_which_thing() -> None:
    index = index_of(
        ListedDevice("mine", eui(1), OURS),
        ListedDevice("neighbours", eui(2), Mark("barn", ORCHARD, OURS.digest)),
        ListedDevice("strangers", eui(3), Mark("barn", ELSEWHERE, OURS.digest)),
        ListedDevice("new", eui(4), None, room=False),
    )
    found = [entry for number in (1, 2, 3, 4) if (entry := by_eui(index, number))]
    assert [each.marked_by for each in found] == [
        MarkedBy.THIS_STACK,
        MarkedBy.NEIGHBOUR,
        MarkedBy.STRANGER,
        MarkedBy.NOBODY,
    ]
    assert [each.is_marked_as(OURS) for each in found] == [True, False, False, False]
    assert [each.room for each in found] == [True, True, True, False]
    assert not found[0].is_marked_as(Mark("shed", FARM, OURS.digest))
    assert not found[0].is_marked_as(Mark("barn", FARM, "0"))
    assert index.marked == 1


def test_a_device_that_was_found_counts_as_seen() -> None:
    index = index_of(ListedDevice("one", eui(1), None), ListedDevice("two", eui(2), OURS))
    first, second = (by_eui(index, 1) for _ in range(2))
    assert first
    assert second
    assert (first.seen, second.seen) == (False, True)
    assert list(index.unmatched()) == [Unmatched("two", MarkedBy.THIS_STACK, kept=False, room=True)]


def test_a_device_that_is_kept_without_a_thing_is_known_by_its_mark() -> None:
    index = index_of(ListedDevice("one", eui(1), Mark("barn", FARM, KEPT)))
    assert list(index.unmatched()) == [Unmatched("one", MarkedBy.THIS_STACK, kept=True, room=True)]


def test_two_devices_with_one_dev_eui_are_seen_together_and_the_mark_of_either_counts() -> None:
    index = index_of(ListedDevice("one", eui(1), None), ListedDevice("two", eui(1), OURS))
    found = by_eui(index, 1)
    assert found
    assert found.is_marked_as(OURS)
    assert list(index.unmatched()) == []


@given(st.sets(st.integers(0, 2**64 - 1), max_size=900), st.data())
def test_seen_devices_are_recalled_exactly_if_the_devices_are_the_same(numbers: set[int], data: st.DataObject) -> None:
    seen = data.draw(st.sets(st.sampled_from(sorted(numbers)))) if numbers else set()
    before = numbered(numbers)
    assert all(find(before, number) for number in seen)
    after = numbered(numbers)
    assert after.recall(before.remember()) == 0
    assert {each.device_id for each in after.unmatched()} == {f"dev-{number}" for number in numbers - seen}


@settings(max_examples=size(15, 250))
@given(st.integers(600, 3000), st.integers(0, 30), st.integers(0, 30))
def test_added_and_removed_devices_make_a_few_others_uncertain_and_none_wrong(count: int, gone: int, new: int) -> None:
    numbers = {number * 7919 for number in range(count)}
    seen = {number for number in numbers if number % 3}
    before = numbered(numbers)
    assert all(find(before, number) for number in seen)
    now = (numbers - set(sorted(numbers)[:gone])) | {2**60 + number for number in range(new)}
    after = numbered(now)
    uncertain = after.recall(before.remember())
    alone = {each.device_id for each in after.unmatched()}
    assert alone <= {f"dev-{number}" for number in now - seen}
    # Only blocks of about 256 devices that changed are given up.
    assert uncertain <= (gone + new) * 1024
    if not gone and not new:
        assert uncertain == 0


def test_remembering_takes_at_most_two_bits_per_device_in_a_message() -> None:
    index = numbered(set(range(50_000)))
    for number in range(0, 50_000, 3):
        find(index, number)
    # A million take 250 KB, and a message holds 256.
    assert len(index.remember()) < 50_000 * 2 / 8
