"""Settings of the account: adopted when they exist, and nothing else is changed."""

from typing import Any

import pytest

from tests import cases
from thingbridge.aws.account import Account, ThingType
from thingbridge.aws.clients import Clients
from thingbridge.errors import Refused

SEARCHABLE = ["devEUI", "stackName", "deviceID"]


def test_a_missing_thing_type_is_created_and_an_existing_one_adopted(iot: Any, clients: Clients) -> None:
    account = Account(clients)
    assert account.ensure_thing_type("sensor", "Sensors", SEARCHABLE) == ThingType(created=True)
    assert account.ensure_thing_type("sensor", "Sensors", SEARCHABLE) == ThingType(created=False, not_searchable=[])
    created = iot.describe_thing_type(thingTypeName="sensor")["thingTypeProperties"]
    assert created["searchableAttributes"] == SEARCHABLE


def test_a_deprecated_thing_type_is_refused_with_the_fix(iot: Any, clients: Clients) -> None:
    iot.deprecate_thing_type(thingTypeName="lorawan")
    with pytest.raises(Refused, match="--undo-deprecate"):
        Account(clients).ensure_thing_type("lorawan", "", [])


CASE = cases.load("5-existing-thing-type-without-searchable")


@pytest.mark.parametrize("variant", CASE["variants"], ids=lambda variant: "+".join(variant["searchable_attributes"]))
def test_an_existing_thing_type_is_adopted_only_if_things_are_found_by_what_they_are_searched_for(
    clients: Clients, variant: dict[str, Any]
) -> None:
    name, searchable = CASE["thing_type_name"], variant["searchable_attributes"]
    clients("iot").create_thing_type(
        thingTypeName=name, thingTypeProperties={"searchableAttributes": searchable} if searchable else {}
    )
    account = Account(clients)
    if "refused_for" in variant:
        with pytest.raises(Refused) as caught:
            account.ensure_thing_type(name, "", SEARCHABLE)
        assert str(caught.value) == (
            f"the thing type {name} is not searchable by {' and '.join(variant['refused_for'])} (it is by: "
            f"{', '.join(searchable) or 'nothing'}), which AWS IoT can't change: choose another thing_type_name"
        )
    else:
        assert account.ensure_thing_type(name, "", SEARCHABLE).not_searchable == variant["not_searchable"]


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
