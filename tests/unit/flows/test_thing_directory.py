"""Finding and making things, on moto's registry."""

from typing import Any

import pytest
from thingbridge.aws_iot import clients, things
from thingbridge.settings import ThingNameScheme

from thingbridge.errors import Busy, Misconfigured, Refused
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.identity import MismatchingStack

DEVICE = EndDeviceIdentifiers("tank-7", "A81758FFFE0312AB", "A81758FFFE000001")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def calls(iot: Any) -> list[str]:
    """Names of the AWS calls that the code under test makes, in order."""
    made: list[str] = []
    clients.client("iot").meta.events.register("before-call.iot", lambda model, **_: made.append(model.name))
    return made


def directory(clock: Clock | None = None, scheme: ThingNameScheme = ThingNameScheme.DEV_EUI) -> things.ThingDirectory:
    return things.ThingDirectory(stack_name="farm", thing_type_name="lorawan", scheme=scheme, now=clock or Clock())


def make(iot: Any, name: str, **attributes: str) -> None:
    iot.create_thing(thingName=name, thingTypeName="lorawan", attributePayload={"attributes": attributes})


def test_an_unknown_device_gets_a_thing_of_the_stack(iot: Any) -> None:
    assert directory().find_or_make(DEVICE) == "A81758FFFE0312AB"
    made = iot.describe_thing(thingName="A81758FFFE0312AB")
    assert made["thingTypeName"] == "lorawan"
    assert made["attributes"] == {
        "devEUI": "A81758FFFE0312AB",
        "stackName": "farm",
        "deviceID": "tank-7",
        "joinEUI": "A81758FFFE000001",
    }


def test_a_known_device_costs_no_call(iot: Any, calls: list[str]) -> None:
    things_of_stack = directory()
    things_of_stack.find_or_make(DEVICE)
    calls.clear()
    things_of_stack.find_or_make(DEVICE)
    assert calls == []


def test_the_scarce_list_call_is_spared_when_the_name_tells(iot: Any, calls: list[str]) -> None:
    make(iot, "A81758FFFE0312AB", devEUI="A81758FFFE0312AB", stackName="farm")
    directory().find_or_make(DEVICE)
    assert calls == ["DescribeThing"]


@pytest.mark.parametrize("spelling", ["A81758FFFE0312AB", "a81758fffe0312ab"])
def test_a_thing_of_any_name_is_found_by_its_dev_eui(iot: Any, spelling: str) -> None:
    make(iot, "barn", devEUI=spelling, stackName="farm")
    assert directory().find_or_make(DEVICE) == "barn"


def test_another_stacks_thing_is_a_mismatch_and_nothing_is_made(iot: Any, calls: list[str]) -> None:
    make(iot, "barn", devEUI="A81758FFFE0312AB", stackName="other")
    calls.clear()
    with pytest.raises(MismatchingStack):
        directory().find_or_make(DEVICE)
    assert "CreateThing" not in calls


def test_our_thing_is_found_beside_another_stacks(iot: Any) -> None:
    make(iot, "a-barn", devEUI="A81758FFFE0312AB", stackName="other")
    make(iot, "barn", devEUI="A81758FFFE0312AB", stackName="farm")
    assert directory().find_or_make(DEVICE) == "barn"


def test_a_mismatch_is_remembered_for_a_minute_and_then_looked_up_again(iot: Any, calls: list[str]) -> None:
    make(iot, "barn", devEUI="A81758FFFE0312AB", stackName="other")
    clock = Clock()
    things_of_stack = directory(clock)
    for at, looked_up in ((0.0, True), (59.0, False), (61.0, True)):
        clock.now = at
        calls.clear()
        with pytest.raises(MismatchingStack):
            things_of_stack.find_or_make(DEVICE)
        assert bool(calls) is looked_up


def test_a_deleted_thing_is_made_again_within_the_hour(iot: Any) -> None:
    clock = Clock()
    things_of_stack = directory(clock)
    things_of_stack.find_or_make(DEVICE)
    iot.delete_thing(thingName="A81758FFFE0312AB")
    clock.now = things.KNOWN_FOR + 1
    things_of_stack.find_or_make(DEVICE)
    assert iot.describe_thing(thingName="A81758FFFE0312AB")


def test_memory_of_things_is_bounded_and_forgets_the_oldest(iot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(things, "MAX_KNOWN", 2)
    things_of_stack = directory(scheme=ThingNameScheme.DEVICE_ID)
    for name in ("one", "two", "three"):
        things_of_stack.find_or_make(EndDeviceIdentifiers(name, None, None))
    assert [device.device_id for device in things_of_stack._known] == ["two", "three"]


def test_a_name_that_another_device_has_is_refused(iot: Any, answer_with: Any) -> None:
    # Somebody gave this thing the DevEUI of one device for a name and the DevEUI of another for an attribute.
    make(iot, "A81758FFFE0312AB", devEUI="A81758FFFE0312AC", stackName="farm")
    # moto overwrites a thing of the same name; AWS answers so when the attributes differ.
    answer_with("iot", "CreateThing", 409, "ResourceAlreadyExistsException")
    with pytest.raises(Refused, match="taken"):
        directory().find_or_make(DEVICE)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (429, "ThrottlingException", Busy),
        (503, "ServiceUnavailableException", Busy),
        (403, "AccessDeniedException", Misconfigured),
        (400, "InvalidRequestException", Refused),
    ],
)
def test_errors_are_told_apart(answer_with: Any, status: int, code: str, error: type[Exception]) -> None:
    answer_with("iot", "DescribeThing", status, code)
    with pytest.raises(error, match=f"describe the thing barn: {code}"):
        things.describe("barn")
