"""The mark on a device: what it keeps, and what a thing's digest depends on."""

import pytest

from thingbridge.registry import marks
from thingbridge.registry.marks import Mark

THING = {"devEUI": "A81758FFFE0312AB", "stackName": "farm", "joinEUI": "A81758FFFE000001", "lorawanVersion": "1.0.3"}


def test_a_mark_is_read_as_it_was_written_among_other_attributes() -> None:
    mark = Mark.of("barn", THING, "farm")
    assert marks.read({"colour": "red", **mark.attributes()}) == mark


@pytest.mark.parametrize("attributes", [{}, {"aws-iot-thing": "barn"}, {"aws-iot-stack": "farm"}])
def test_half_a_mark_is_none(attributes: dict[str, str]) -> None:
    assert marks.read(attributes) is None


@pytest.mark.parametrize(
    ("name", "value"), [("joinEUI", "0"), ("deviceID", "tank-7"), ("frequencyPlanID", "EU_868_1"), ("devEUI", "1")]
)
def test_the_digest_changes_with_what_a_thing_says(name: str, value: str) -> None:
    assert marks.digest({**THING, name: value}) != marks.digest(THING)


@pytest.mark.parametrize("name", ["appKey", "nwkKey", "claimAuthenticationCode", "stackName", "colour"])
def test_the_digest_knows_no_secret_and_nothing_that_is_not_about_the_device(name: str) -> None:
    assert marks.digest({**THING, name: "01" * 16}) == marks.digest(THING)


def test_the_digest_of_a_value_is_not_that_of_another_attribute_with_it() -> None:
    assert marks.digest({"joinEUI": "1"}) != marks.digest({"appEUI": "1"})
