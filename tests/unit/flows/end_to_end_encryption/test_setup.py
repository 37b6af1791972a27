"""The Things Stack's side of end-to-end encryption, on the simulation."""

from collections.abc import Callable, Iterator

import pytest
from thingbridge.things_stack.api_key import RIGHTS

from local.things_stack import ThingsStack as Simulation
from thingbridge.errors import Misconfigured
from thingbridge.things_stack import api_key, end_to_end_encryption
from thingbridge.things_stack.client import ThingsStack

from .conftest import APPLICATION

OpenClient = Callable[..., ThingsStack]
LABEL = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:farm/AppSKeyKEK-AbCdEf"
MADE_ANEW = LABEL[:-6] + "GhIjKl"
KEK = "000102030405060708090A0B0C0D0E0F"


@pytest.fixture(autouse=True)
def clean(simulation: Simulation) -> Iterator[None]:
    yield
    simulation.servers.join.settings.pop(APPLICATION, None)
    simulation.servers.application.links.pop(APPLICATION, None)


def label(simulation: Simulation) -> str | None:
    return simulation.servers.join.settings.get(APPLICATION, {}).get("kek_label")


def skips(simulation: Simulation) -> bool:
    return bool(simulation.servers.application.links.get(APPLICATION, {}).get("skip_payload_crypto"))


def test_it_is_set_up_and_taken_back_again_and_again(open_client: OpenClient, simulation: Simulation) -> None:
    for _ in range(2):
        end_to_end_encryption.configure(open_client(), LABEL, KEK, None)
        assert (label(simulation), skips(simulation)) == (LABEL, True)
    for _ in range(2):
        end_to_end_encryption.remove(open_client(), LABEL)
        assert (label(simulation), skips(simulation)) == (None, False)


def test_a_secret_that_was_made_anew_takes_the_place_of_the_old_one(
    open_client: OpenClient, simulation: Simulation
) -> None:
    end_to_end_encryption.configure(open_client(), LABEL, KEK, None)
    end_to_end_encryption.configure(open_client(), MADE_ANEW, KEK, None)
    assert label(simulation) == MADE_ANEW


def test_a_label_this_stack_had_before_is_replaced(open_client: OpenClient, simulation: Simulation) -> None:
    end_to_end_encryption.configure(open_client(), "arn:of:before", KEK, None)
    end_to_end_encryption.configure(open_client(), LABEL, KEK, "arn:of:before")
    assert label(simulation) == LABEL


def test_somebody_elses_key_is_neither_replaced_nor_removed(open_client: OpenClient, simulation: Simulation) -> None:
    open_client().set_activation_settings({"kek_label": "theirs", "kek": {"key": KEK}}, ("kek_label", "kek"))
    with pytest.raises(Misconfigured, match="the label theirs, which is not this stack's"):
        end_to_end_encryption.configure(open_client(), LABEL, KEK, None)
    assert not skips(simulation)
    end_to_end_encryption.remove(open_client(), LABEL)
    assert label(simulation) == "theirs"


def test_other_settings_of_the_join_server_stay(open_client: OpenClient, simulation: Simulation) -> None:
    open_client().set_activation_settings({"home_net_id": "000013"}, ("home_net_id",))
    end_to_end_encryption.configure(open_client(), LABEL, KEK, None)
    end_to_end_encryption.remove(open_client(), LABEL)
    assert label(simulation) is None
    assert simulation.servers.join.settings[APPLICATION]["home_net_id"] == "000013"
    assert not simulation.servers.join.settings[APPLICATION].get("kek")


def test_a_destroy_goes_on_when_the_key_is_gone(open_client: OpenClient, simulation: Simulation) -> None:
    key = simulation.create_api_key(APPLICATION)
    simulation.delete_api_key(key)
    end_to_end_encryption.remove(open_client(key), LABEL)


@pytest.mark.parametrize("right", sorted(end_to_end_encryption.RIGHTS))
def test_a_right_that_is_missing_is_named(open_client: OpenClient, simulation: Simulation, right: str) -> None:
    rights = {**RIGHTS, **end_to_end_encryption.RIGHTS}
    key = simulation.create_api_key(APPLICATION, [each for each in rights if each != right])
    with pytest.raises(Misconfigured, match=right):
        api_key.check(open_client(key), end_to_end_encryption.RIGHTS)
    all_of_them = simulation.create_api_key(APPLICATION, list(rights))
    api_key.check(open_client(all_of_them), end_to_end_encryption.RIGHTS)
