"""Clients: made once, their calls counted where they leave the process."""

from thingbridge.aws.clients import Clients


def test_calls_are_counted_by_operation_until_the_count_is_taken(clients: Clients) -> None:
    iot = clients("iot")
    iot.create_thing(thingName="barn")
    iot.describe_thing(thingName="barn")
    iot.describe_thing(thingName="barn")
    assert clients.take_calls() == {"CreateThing": 1, "DescribeThing": 2}
    assert clients.take_calls() == {}


def test_a_client_is_made_once_per_service(clients: Clients) -> None:
    assert clients("iot") is clients("iot")
    assert clients("iot") is not clients("iot-data")
