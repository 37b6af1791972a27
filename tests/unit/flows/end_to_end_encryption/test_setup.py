"""The Things Stack's side of end-to-end encryption, on the simulation."""

from collections.abc import Callable, Iterator

import pytest

from local.things_stack import ThingsStack as Simulation
from tests import events
from tests.unit.conftest import APPLICATION
from tests.unit.flows.conftest import KEK
from thingbridge.errors import Misconfigured
from thingbridge.flows import api_key
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.things_stack.client import ThingsStack

OpenClient = Callable[..., ThingsStack]
LABEL = events.load("parameters/end_to_end_encryption")["key_encryption_key_secret_arn"]
RECREATED = LABEL[:-6] + "GhIjKl"


@pytest.fixture(autouse=True)
def clean(simulation: Simulation) -> Iterator[None]:
    yield
    simulation.servers.join.settings.pop(APPLICATION, None)
    simulation.servers.application.links.pop(APPLICATION, None)


def label(simulation: Simulation) -> str | None:
    return simulation.servers.join.settings.get(APPLICATION, {}).get("kek_label")


def skips(simulation: Simulation) -> bool:
    return bool(simulation.servers.application.links.get(APPLICATION, {}).get("skip_payload_crypto"))


def test_it_is_configured_and_removed_repeatedly(open_client: OpenClient, simulation: Simulation) -> None:
    for _ in range(2):
        setup.configure(open_client(), LABEL, KEK, None)
        assert (label(simulation), skips(simulation)) == (LABEL, True)
    for _ in range(2):
        setup.remove(open_client(), LABEL)
        assert (label(simulation), skips(simulation)) == (None, False)


def test_a_recreated_secret_replaces_the_old_one(open_client: OpenClient, simulation: Simulation) -> None:
    setup.configure(open_client(), LABEL, KEK, None)
    setup.configure(open_client(), RECREATED, KEK, None)
    assert label(simulation) == RECREATED


def test_the_label_that_this_stack_used_before_is_replaced(open_client: OpenClient, simulation: Simulation) -> None:
    setup.configure(open_client(), "arn:of:before", KEK, None)
    setup.configure(open_client(), LABEL, KEK, "arn:of:before")
    assert label(simulation) == LABEL


def test_another_owners_key_is_neither_replaced_nor_removed(open_client: OpenClient, simulation: Simulation) -> None:
    open_client().activation_settings.set({"kek_label": "theirs", "kek": {"key": KEK}}, ("kek_label", "kek"))
    with pytest.raises(Misconfigured, match="the label theirs, which is not this stack's"):
        setup.configure(open_client(), LABEL, KEK, None)
    assert not skips(simulation)
    setup.remove(open_client(), LABEL)
    assert label(simulation) == "theirs"


def test_other_settings_of_the_join_server_stay(open_client: OpenClient, simulation: Simulation) -> None:
    open_client().activation_settings.set({"home_net_id": "000013"}, ("home_net_id",))
    setup.configure(open_client(), LABEL, KEK, None)
    setup.remove(open_client(), LABEL)
    assert label(simulation) is None
    assert simulation.servers.join.settings[APPLICATION]["home_net_id"] == "000013"
    assert not simulation.servers.join.settings[APPLICATION].get("kek")


@pytest.mark.parametrize("right", sorted(setup.RIGHTS))
def test_a_missing_right_is_named(open_client: OpenClient, simulation: Simulation, right: str) -> None:
    rights = {**api_key.RIGHTS, **setup.RIGHTS}
    key = simulation.create_api_key(APPLICATION, [each for each in rights if each != right])
    with pytest.raises(Misconfigured, match=right):
        api_key.check(open_client(key), setup.RIGHTS)
    complete = simulation.create_api_key(APPLICATION, list(rights))
    api_key.check(open_client(complete), setup.RIGHTS)
