"""Settings of the account: adopted when they exist, and nothing else is changed."""

from typing import Any

import pytest

from thingbridge.aws.account import Account
from thingbridge.aws.clients import Clients
from thingbridge.errors import Refused


def test_a_missing_thing_type_is_created_and_an_existing_one_adopted(iot: Any, clients: Clients) -> None:
    account = Account(clients)
    assert account.ensure_thing_type("sensor", "Sensors", ["devEUI", "stackName", "deviceID"]) is True
    assert account.ensure_thing_type("sensor", "Sensors", ["devEUI", "stackName", "deviceID"]) is False
    created = iot.describe_thing_type(thingTypeName="sensor")["thingTypeProperties"]
    assert created["searchableAttributes"] == ["devEUI", "stackName", "deviceID"]


def test_a_deprecated_thing_type_is_refused_with_the_fix(iot: Any, clients: Clients) -> None:
    iot.deprecate_thing_type(thingTypeName="lorawan")
    with pytest.raises(Refused, match="--undo-deprecate"):
        Account(clients).ensure_thing_type("lorawan", "", [])


class EventConfigurations:
    """The calls of AWS IoT for event configurations, which moto does not have; the local AWS of `tests/e2e` does."""

    def __init__(self, configurations: dict[str, Any]) -> None:
        self.configurations = configurations
        self.updates: list[dict[str, Any]] = []

    def describe_event_configurations(self) -> dict[str, Any]:
        return {"eventConfigurations": self.configurations}

    def update_event_configurations(self, **request: Any) -> None:
        self.updates.append(request)


@pytest.mark.parametrize("enabled", [True, False])
def test_only_thing_events_are_switched_on_and_only_when_they_are_off(enabled: bool) -> None:
    iot = EventConfigurations({"THING": {"Enabled": enabled}, "JOB": {"Enabled": True}})
    account = Account(lambda service: {"iot": iot}[service])  # type: ignore[arg-type]
    assert account.enable_thing_events() is not enabled
    assert iot.updates == ([] if enabled else [{"eventConfigurations": {"THING": {"Enabled": True}}}])
