"""The rows of paced shadows in an account in process: concurrent changes are merged, never lost."""

from collections.abc import Callable
from typing import Any

import pytest

from thingbridge.aws.clients import Clients
from thingbridge.aws.shadow_states import KEPT_FOR_SECONDS, MAX_REMEMBERED_CHARACTERS, ShadowStates
from thingbridge.errors import Busy

NOW = 1_700_000_000.0


@pytest.fixture
def states(clients: Clients) -> Callable[[], ShadowStates]:
    """Make the rows as another execution environment has them: the table is all they share."""
    clients("dynamodb").create_table(
        TableName="farm-shadow-states",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    clients.take_calls()
    return lambda: ShadowStates(clients, "farm-shadow-states")


def add(what: str) -> Callable[[str | None], str]:
    return lambda text: (text or "") + what


def test_a_change_is_applied_to_the_row_that_another_execution_environment_wrote(
    states: Callable[[], ShadowStates],
) -> None:
    one, other = states(), states()
    assert one.change("tank", add("a"), NOW) == "a"
    assert other.change("tank", add("b"), NOW) == "ab"
    assert one.change("tank", add("c"), NOW) == "abc"
    assert states().read("tank") == "abc"
    assert states().read("barn") is None


def test_a_known_row_is_changed_with_one_call_and_read_again_if_it_stays_as_it_is(
    states: Callable[[], ShadowStates], calls: Callable[[], dict[str, int]]
) -> None:
    one = states()
    one.change("tank", add("a"), NOW)
    calls()
    one.change("tank", add("b"), NOW)
    assert calls() == {"UpdateItem": 1}
    one.change("tank", add(""), NOW)
    assert calls() == {"GetItem": 1}


def test_a_row_that_was_read_is_changed_without_reading_it_again(
    states: Callable[[], ShadowStates], calls: Callable[[], dict[str, int]]
) -> None:
    one, other = states(), states()
    one.change("tank", add("a"), NOW)
    other.change("tank", add("b"), NOW)
    assert one.read("tank") == "ab"
    calls()
    assert one.change("tank", add("c"), NOW) == "abc"
    assert calls() == {"UpdateItem": 1}


def test_an_outdated_row_in_memory_is_not_mistaken_for_the_one_in_the_table(
    states: Callable[[], ShadowStates],
) -> None:
    one, other = states(), states()
    one.change("tank", add("a"), NOW)
    other.change("tank", add("b"), NOW)
    assert one.change("tank", lambda text: text or "", NOW) == "ab"


def test_the_remembered_rows_are_bounded_by_their_size(
    states: Callable[[], ShadowStates], calls: Callable[[], dict[str, int]]
) -> None:
    one, large = states(), "x" * (MAX_REMEMBERED_CHARACTERS // 30)
    for number in range(31):
        one.change(f"thing-{number}", lambda _: large, NOW)
    calls()
    one.change("thing-30", lambda _: "small", NOW)
    one.change("thing-1", lambda _: "small", NOW)
    assert calls() == {"UpdateItem": 2}
    one.change("thing-0", lambda _: "small", NOW)
    assert calls() == {"GetItem": 1, "UpdateItem": 1}


def test_a_row_expires_when_its_thing_no_longer_sends(states: Callable[[], ShadowStates], clients: Clients) -> None:
    states().change("tank", add("a"), NOW)
    (row,) = clients("dynamodb").scan(TableName="farm-shadow-states")["Items"]
    assert row["expires"] == {"N": str(int(NOW) + KEPT_FOR_SECONDS)}


def test_a_deleted_row_starts_anew_also_where_it_was_remembered(states: Callable[[], ShadowStates]) -> None:
    one, other = states(), states()
    one.change("tank", add("a"), NOW)
    other.delete("tank")
    assert one.change("tank", add("b"), NOW) == "b"
    one.delete("tank")
    one.delete("tank")
    assert one.change("tank", add("c"), NOW) == "c"


def test_a_row_that_others_change_all_the_time_is_busy(states: Callable[[], ShadowStates]) -> None:
    one, other = states(), states()

    def change(text: str | None) -> str:
        other.change("tank", add("b"), NOW)
        return add("a")(text)

    with pytest.raises(Busy, match="concurrent write"):
        one.change("tank", change, NOW)
    written: Any = states().read("tank")
    assert set(written) == {"b"}
