"""What belongs to the account: taken over when it is there, never more than asked for."""

from typing import Any

import pytest

from thingbridge.aws_iot import account as account_settings
from thingbridge.aws_iot import clients
from thingbridge.errors import Refused


def test_a_missing_thing_type_is_made_and_then_taken_over(iot: Any) -> None:
    assert account_settings.ensure_thing_type("sensor", "Sensors", ["devEUI", "stackName"]) is True
    assert account_settings.ensure_thing_type("sensor", "Sensors", ["devEUI", "stackName"]) is False
    made = iot.describe_thing_type(thingTypeName="sensor")["thingTypeProperties"]
    assert made["searchableAttributes"] == ["devEUI", "stackName"]


def test_a_deprecated_thing_type_is_refused_with_the_mend(iot: Any) -> None:
    iot.deprecate_thing_type(thingTypeName="lorawan")
    with pytest.raises(Refused, match="--undo-deprecate"):
        account_settings.ensure_thing_type("lorawan", "", [])


@pytest.mark.parametrize("enabled", [True, False])
def test_only_thing_events_are_switched_on_and_only_when_they_are_off(
    account: None, monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    # moto knows no event configurations; the local AWS of the end-to-end suite does.
    sent: list[Any] = []
    client = clients.client("iot")
    now = {"THING": {"Enabled": enabled}, "JOB": {"Enabled": True}}
    monkeypatch.setattr(client, "describe_event_configurations", lambda: {"eventConfigurations": now})
    monkeypatch.setattr(client, "update_event_configurations", lambda **given: sent.append(given))
    assert account_settings.enable_thing_events() is not enabled
    assert sent == ([] if enabled else [{"eventConfigurations": {"THING": {"Enabled": True}}}])
