"""What all modes have in common: each is configured and removed repeatedly, with the rights that it lists."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.things_stack import ThingsStack as Simulation
from local.things_stack import profiles
from local.things_stack.network.application_up import TOPICS
from tests.unit.conftest import APPLICATION
from thingbridge.flows import api_key
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.flows.ingest.modes import MODES
from thingbridge.lorawan import identifiers
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import NotFound

Open = Callable[..., ThingsStack]
Make = Callable[..., Integration]
FARM = Integration(IngestMode.PUBSUB, "111122223333", "eu-west-1", "Farm")


@pytest.fixture(scope="module")
def profile() -> str:
    """Only hosted deployments have every mode."""
    return profiles.HOSTED


def configured(simulation: Simulation) -> int:
    server = simulation.servers.application
    return len(server.pubsubs) + len(server.webhooks) + len(server.associations)


@pytest.mark.parametrize("mode", IngestMode)
def test_a_mode_is_configured_and_removed_repeatedly_with_the_rights_it_lists(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, mode: IngestMode
) -> None:
    key = simulation.create_api_key(APPLICATION, rights=[*api_key.RIGHTS, *MODES[mode].RIGHTS])
    client, wanted = open_client(key), integration(mode)
    for previous in (None, wanted, wanted):
        MODES[mode].configure(client, wanted, previous, account)
        assert configured(simulation) == (0 if mode is IngestMode.MANUAL else 1)
    for _ in range(2):
        # Nothing there is an answer of The Things Stack too: 404.
        with suppress(NotFound):
            MODES[mode].remove(client, wanted)
        MODES[mode].release(wanted, account)
        assert configured(simulation) == 0


def test_every_kind_of_message_has_a_topic() -> None:
    assert UPSTREAM_EVENTS == TOPICS


@given(st.from_regex(re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}"), fullmatch=True))
def test_the_id_of_an_integration_fits_the_grammar_for_every_stack(stack_name: str) -> None:
    id_ = replace(FARM, stack_name=stack_name).id
    assert identifiers.device_id("id", id_) == id_


def test_the_id_differs_by_stack_region_account_and_mode() -> None:
    others = [
        {"stack_name": "farm"},
        {"region": "us-east-1"},
        {"account_id": "111122223334"},
        {"mode": IngestMode.MQTT},
    ]
    assert len({FARM.id, *(replace(FARM, **change).id for change in others)}) == 5
