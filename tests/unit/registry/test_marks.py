"""The mark of a device: its contents, and what the digest of a thing depends on."""

import pytest

from thingbridge.registry import marks
from thingbridge.registry.marks import Mark

THING = {"devEUI": "A81758FFFE0312AB", "stackName": "farm", "joinEUI": "A81758FFFE000001", "lorawanVersion": "1.0.3"}


def test_a_mark_is_read_as_it_was_written_among_other_attributes() -> None:
    mark = Mark.of("barn", THING, "farm")
    assert marks.read({"colour": "red", **mark.attributes()}) == mark


@pytest.mark.parametrize("attributes", [{}, {"aws-iot-thing": "barn"}, {"aws-iot-stack": "farm"}])
def test_a_part_of_a_mark_is_not_a_mark(attributes: dict[str, str]) -> None:
    assert marks.read(attributes) is None


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
