"""The topics of a device, and whether a filter matches one. Terraform has the same ones."""

import re
from pathlib import Path

import pytest

from thingbridge.devices import topics

MODULE = Path(__file__).parents[3] / "modules" / "devices"


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


def test_terraform_has_the_topics() -> None:
    written = dict(
        re.findall(r'^    (\w+) += "\$\{var\.stack\.name\}(/[^"]+)"', (MODULE / "main.tf").read_text(), re.M)
    )
    assert written == {
        "configuration": topics.configuration("", "+"),
        "status": topics.status("", "+"),
        "telemetry": topics.telemetry("", "+", "+"),
    }
