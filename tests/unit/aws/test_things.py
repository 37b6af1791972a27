"""The thing registry in an account in process: listed, found, created and changed."""

from typing import Any

import pytest

from tests.unit.conftest import AnswerWith, Clock
from thingbridge.aws.clients import Clients
from thingbridge.aws.things import THINGS_PER_PAGE, Things, VersionConflict
from thingbridge.errors import Busy, Misconfigured, Refused
from thingbridge.pacing import TokenBucket


@pytest.fixture
def things(iot: Any, clients: Clients) -> Things:
    return Things(clients)


def test_all_things_of_the_stack_and_no_others_are_listed_page_by_page(things: Things, iot: Any) -> None:
    for number in range(THINGS_PER_PAGE + 3):
        things.create(f"t-{number}", {"stackName": "farm", "devEUI": f"{number:016X}"}, "lorawan")
    things.create("other", {"stackName": "orchard"}, "lorawan")
    listed, token, pages = {}, None, 0
    while pages == 0 or token:
        page, token = things.page("farm", token)
        assert len(page) <= THINGS_PER_PAGE
        listed |= {thing.name: thing.attributes["devEUI"] for thing in page}
        pages += 1
    assert listed == {f"t-{number}": f"{number:016X}" for number in range(THINGS_PER_PAGE + 3)}
    assert pages == 2
    pauses: list[int] = []
    assert {thing.name for thing in things.of_stack("farm", lambda: pauses.append(1))} == listed.keys()
    assert len(pauses) == 1


def test_a_thing_is_created_described_and_deleted(things: Things) -> None:
    assert things.describe("barn") is None
    assert things.create("barn", {"stackName": "farm"}, "lorawan") is True
    found = things.describe("barn")
    assert found
    assert (found.name, found.attributes, found.type_name) == ("barn", {"stackName": "farm"}, "lorawan")
    things.delete("barn")
    assert things.describe("barn") is None
    things.delete("barn")


def test_creations_and_searches_keep_to_their_pace(iot: Any, clients: Clients, clock: Clock) -> None:
    paces = {
        operation: TokenBucket(rate=rate, now=clock, sleep=clock.wait)
        for operation, rate in (("CreateThing", 2), ("ListThings", 0.5))
    }
    things = Things(clients, paces)
    for number in range(3):
        things.create(f"barn-{number}", {"stackName": "farm"}, "lorawan")
    assert clock.now == 1
    # One for each spelling of the DevEUI.
    assert list(things.with_dev_eui("A81758FFFE0312AB")) == []
    assert clock.now == 3
    things.describe("barn-0")
    assert clock.now == 3


def test_a_name_that_is_taken_by_another_thing_is_reported(things: Things, answer_with: AnswerWith) -> None:
    # moto overwrites a thing of the same name; AWS answers like this when the attributes differ.
    answer_with("iot", "CreateThing", 409, "ResourceAlreadyExistsException")
    assert things.create("barn", {"stackName": "farm"}, "lorawan") is False


def test_a_thing_that_can_not_exist_is_refused(things: Things, answer_with: AnswerWith) -> None:
    answer_with("iot", "CreateThing", 400, "InvalidRequestException")
    for name, attributes in (("ba rn", {}), ("barn", {"si te": "x"}), ("barn", {"site": "ä"}), ("barn", many(51))):
        with pytest.raises(Refused):
            things.create(name, attributes, "lorawan")


def many(number: int) -> dict[str, str]:
    return {f"attribute-{each}": "" for each in range(number)}


def test_a_deprecated_thing_type_is_the_operators_to_fix(things: Things, iot: Any) -> None:
    iot.deprecate_thing_type(thingTypeName="lorawan")
    with pytest.raises(Misconfigured, match="--thing-type-name lorawan --undo-deprecate"):
        things.create("barn", {"stackName": "farm"}, "lorawan")


def test_a_missing_thing_type_is_the_operators_to_fix(things: Things) -> None:
    with pytest.raises(Misconfigured, match="the thing type does not exist"):
        things.create("barn", {"stackName": "farm"}, "gone")


def test_an_update_keeps_other_attributes_and_removed_ones_are_gone(things: Things) -> None:
    things.create("barn", {"stackName": "farm", "deviceID": "tank-7", "appKey": "secret"}, "lorawan")
    things.update("barn", {"deviceID": "tank-8"})
    things.remove_attributes("barn", ["appKey"])
    found = things.describe("barn")
    assert found
    assert found.attributes == {"stackName": "farm", "deviceID": "tank-8"}


def test_a_change_that_expects_an_earlier_version_is_a_conflict_to_be_tried_again(
    things: Things, answer_with: AnswerWith, clients: Clients
) -> None:
    things.create("barn", {"stackName": "farm", "appKey": "secret"}, "lorawan")
    found = things.describe("barn")
    assert found
    assert found.version == 1
    expected: list[Any] = []
    clients("iot").meta.events.register(
        "provide-client-params.iot.UpdateThing", lambda params, **_: expected.append(params.get("expectedVersion"))
    )
    things.update("barn", {"deviceID": "tank-8"})
    # moto does not compare versions; AWS answers like this.
    answer_with("iot", "UpdateThing", 409, "VersionConflictException")
    for change in (
        lambda: things.update("barn", {"deviceID": "tank-9"}, expected_version=1),
        lambda: things.remove_attributes("barn", ["appKey"], expected_version=1),
    ):
        with pytest.raises(VersionConflict):
            change()
    assert expected == [None, 1, 1]
    assert issubclass(VersionConflict, Busy)


def test_things_with_a_dev_eui_are_found_in_either_spelling_the_upper_case_one_first(things: Things) -> None:
    things.create("a", {"devEUI": "a81758fffe0312ab"}, "lorawan")
    things.create("z", {"devEUI": "A81758FFFE0312AB"}, "lorawan")
    things.create("b", {"devEUI": "A81758FFFE0312AB"}, "lorawan")
    assert [thing.name for thing in things.with_dev_eui("A81758FFFE0312AB")] == ["b", "z", "a"]


def test_things_with_a_device_id_are_found_in_every_stack(things: Things) -> None:
    things.create("a", {"deviceID": "tank-7", "stackName": "farm"}, "lorawan")
    things.create("b", {"deviceID": "tank-7", "stackName": "orchard"}, "lorawan")
    things.create("c", {"deviceID": "tank-8", "stackName": "farm"}, "lorawan")
    assert [thing.name for thing in things.with_device_id("tank-7")] == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (429, "ThrottlingException", Busy),
        (503, "ServiceUnavailableException", Busy),
        (403, "AccessDeniedException", Misconfigured),
        (400, "InvalidRequestException", Refused),
    ],
)
def test_errors_are_translated(
    things: Things, answer_with: AnswerWith, status: int, code: str, error: type[Exception]
) -> None:
    answer_with("iot", "DescribeThing", status, code)
    with pytest.raises(error, match=f"describe the thing barn: {code}"):
        things.describe("barn")
