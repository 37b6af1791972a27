"""Calls are counted where they leave."""

from typing import Any

from thingbridge.aws_iot import clients


def test_calls_are_counted_by_operation_until_somebody_takes_the_count(account: None) -> None:
    clients.take_calls()
    iot: Any = clients.client("iot")
    iot.create_thing(thingName="barn")
    iot.describe_thing(thingName="barn")
    iot.describe_thing(thingName="barn")
    assert clients.take_calls() == {"CreateThing": 1, "DescribeThing": 2}
    assert clients.take_calls() == {}
