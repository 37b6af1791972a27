"""Whether a filter of topics matches one."""

import pytest

from thingbridge.devices import topics


@pytest.mark.parametrize(
    ("topic_filter", "matching"),
    [
        ("farm/sensor/+/+", True),
        ("farm/#", True),
        ("farm/sensor/temperature/probe/#", True),
        ("#", True),
        ("farm/sensor/+", False),
        ("farm/sensor/+/+/+", False),
        ("orchard/sensor/+/+", False),
        ("", False),
    ],
)
def test_a_filter_matches_as_in_mqtt(topic_filter: str, matching: bool) -> None:
    assert topics.matches(topic_filter, "farm/sensor/temperature/probe") is matching


def test_a_filter_that_begins_with_a_wildcard_matches_no_topic_of_aws() -> None:
    assert not topics.matches("#", "$aws/things/probe/shadow/update")
    assert topics.matches("$aws/things/+/shadow/#", "$aws/things/probe/shadow/update")
