"""The mark of a device: its contents, and what the digest of a thing depends on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.registry import marks
from thingbridge.registry.marks import Mark, Owner

FARM = Owner("eu-west-1", "123456789012", "farm")
THING = {"devEUI": "A81758FFFE0312AB", "stackName": "farm", "joinEUI": "A81758FFFE000001", "lorawanVersion": "1.0.3"}

ID, LATER = "1b2c3d4e-0000-4000-8000-000000000000", "4e3d2c1b-0000-4000-8000-000000000000"


def test_a_mark_is_read_as_it_was_written_among_other_attributes() -> None:
    mark = Mark.of("barn", THING, FARM, ID)
    assert marks.read({"colour": "red", **mark.attributes()}) == mark


def test_a_person_can_read_a_mark() -> None:
    mark = Mark("barn:7", FARM, thing_id="1b2c3d4e")
    assert mark.attributes() == {"aws-iot-thing": "eu-west-1/123456789012/farm/unfinished/1b2c3d4e/barn:7"}


@pytest.mark.parametrize("value", ["", "barn", "a/b/c/d", "a/b/c/d/e", "a/b/c/d/e/f/g", "a//c/d/e/f"])
def test_anything_else_in_the_place_of_a_mark_is_not_a_mark_and_is_kept(value: str) -> None:
    assert marks.read({"aws-iot-thing": value}) is None
    assert not marks.has_room({"aws-iot-thing": value})


@pytest.mark.parametrize(("count", "room"), [(0, True), (9, True), (10, False)])
def test_a_device_has_room_for_a_mark_beside_nine_attributes_or_in_place_of_one(count: int, room: bool) -> None:
    others = {f"key-{number}": "x" for number in range(count)}
    assert marks.has_room(others) is room
    assert marks.has_room({**others, **Mark("barn", FARM).attributes()})


@given(
    st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,52}\Z"),
    st.from_regex(r"\A[a-zA-Z0-9:_-]{1,128}\Z"),
    st.sampled_from(["us-east-1", "ap-southeast-2", "us-gov-west-1"]),
)
def test_a_mark_of_any_names_is_read_as_it_was_written_or_left_out(stack: str, thing: str, region: str) -> None:
    mark = Mark.of(thing, THING, Owner(region, "123456789012", stack))
    written = mark.attributes()
    assert marks.read(written) == (mark if len(stack) + len(thing) <= 159 - len(region) else None)
    assert all(len(value) <= marks.LONGEST_VALUE for value in written.values())


@pytest.mark.parametrize(
    ("written_for", "name", "thing_id", "same", "gone"),
    [
        (ID, "barn", ID, True, False),
        (ID, "shed", ID, False, False),
        (ID, "barn", LATER, False, True),
        (ID, "barn", "", False, False),
        ("", "barn", ID, False, False),
        ("", "barn", "", False, False),
    ],
)
def test_a_mark_is_of_one_thing_and_of_no_later_one_of_its_name(
    written_for: str, name: str, thing_id: str, same: bool, gone: bool
) -> None:
    mark = Mark.of("barn", THING, FARM, written_for)
    assert (mark.is_of(name, thing_id), mark.is_older_than(thing_id)) == (same, gone)


def test_the_owner_is_the_account_and_region_of_the_function() -> None:
    arn = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:farm-registry:live"
    assert Owner.of_function(arn, "farm") == Owner("us-gov-west-1", "123456789012", "farm")


@pytest.mark.parametrize(
    ("name", "value"), [("joinEUI", "0"), ("deviceID", "tank-7"), ("frequencyPlanID", "EU_868_1"), ("devEUI", "1")]
)
def test_the_digest_changes_with_the_description_of_the_device(name: str, value: str) -> None:
    assert marks.digest({**THING, name: value}) != marks.digest(THING)


@pytest.mark.parametrize("name", ["appKey", "nwkKey", "claimAuthenticationCode", "stackName", "colour"])
def test_the_digest_depends_on_no_secret_and_on_nothing_that_does_not_describe_the_device(name: str) -> None:
    assert marks.digest({**THING, name: "01" * 16}) == marks.digest(THING)


def test_the_digest_depends_on_the_attribute_that_has_a_value() -> None:
    assert marks.digest({"joinEUI": "1"}) != marks.digest({"appEUI": "1"})
