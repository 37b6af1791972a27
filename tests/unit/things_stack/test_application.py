"""Rights and frequency plans, against a simulation that checks every request by the published API."""

from collections.abc import Callable

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused

Open = Callable[..., ThingsStack]


def test_the_rights_of_a_key_are_those_it_was_created_with(simulation: Simulation, open_client: Open) -> None:
    key = simulation.create_api_key(APPLICATION, rights=["RIGHT_APPLICATION_DEVICES_READ"])
    assert open_client(key).application.rights() == {"RIGHT_APPLICATION_DEVICES_READ"}


@pytest.mark.parametrize("key", ["no key at all", "NNSXS.WRONG.KEY"])
def test_a_wrong_key_is_refused(open_client: Open, key: str) -> None:
    with pytest.raises(ApiKeyRefused, match="token|API key"):
        open_client(key).application.rights()


def test_the_cluster_lists_its_frequency_plans(open_client: Open) -> None:
    assert {"EU_863_870_TTN", "KR_920_923_TTN"} <= open_client().application.frequency_plan_ids()
