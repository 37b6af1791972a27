"""The Things Stack's end of the bridge: checked with one clear sentence, configured, removed."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thingbridge.things_stack.integration import IngestMode, Integration

from local.things_stack import ThingsStack as Simulation
from tests.unit.things_stack.conftest import APPLICATION
from thingbridge.errors import Busy, Misconfigured
from thingbridge.lorawan import identifiers
from thingbridge.things_stack import integration
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]
PUBSUB = Integration(
    mode=IngestMode.PUBSUB,
    stack_name="Farm",
    region="eu-west-1",
    role_arn="arn:aws:iam::111122223333:role/Farm-things-stack",
    external_id="b5b5a2a0",
)


def test_a_key_with_the_documented_rights_passes(open_client: Open) -> None:
    integration.check(open_client(), IngestMode.PUBSUB)


def test_a_key_of_another_application_is_refused(simulation: Simulation, open_client: Open) -> None:
    simulation.create_application("other-app")
    with pytest.raises(Misconfigured, match=f"made for the application {APPLICATION}"):
        integration.check(open_client(simulation.create_api_key("other-app")), IngestMode.PUBSUB)


def test_a_key_with_all_rights_passes(simulation: Simulation, open_client: Open) -> None:
    key = simulation.create_api_key(APPLICATION, rights=["RIGHT_APPLICATION_ALL"])
    integration.check(open_client(key), IngestMode.PUBSUB)


@pytest.mark.parametrize("missing", [*integration.RIGHTS, *integration.PUBSUB_RIGHTS])
def test_a_missing_right_is_named_as_the_console_names_it(
    simulation: Simulation, open_client: Open, missing: str
) -> None:
    needed = integration.RIGHTS | integration.PUBSUB_RIGHTS
    key = simulation.create_api_key(APPLICATION, rights=[right for right in needed if right != missing])
    with pytest.raises(Misconfigured, match=f"add “{needed[missing]}” \\({missing}\\)$"):
        integration.check(open_client(key), IngestMode.PUBSUB)


def test_a_wrong_key_and_an_address_where_nobody_answers_are_named(open_client: Open) -> None:
    for key in ("NNSXS.WRONG.KEY", "no key at all"):
        with pytest.raises(Misconfigured, match="refuses the API key"):
            integration.check(open_client(key), IngestMode.PUBSUB)
    with pytest.raises(Busy, match="no answer from 127.0.0.1:9.*check cluster_address"):
        integration.check(open_client(remaining=1.1, address="http://127.0.0.1:9"), IngestMode.PUBSUB)


def test_the_integration_is_configured_updated_and_removed_as_often_as_one_likes(
    simulation: Simulation, open_client: Open
) -> None:
    client = open_client()
    for role in ("Farm-things-stack", "Farm-things-stack", "another"):
        arn = f"arn:aws:iam::111122223333:role/{role}"
        integration.configure(client, replace(PUBSUB, role_arn=arn))
        (configured,) = simulation.servers.application.pubsubs.values()
        assert configured["aws_iot"] == {
            "region": "eu-west-1",
            "assume_role": {"arn": arn, "external_id": "b5b5a2a0"},
            "default": {"stack_name": "Farm"},
        }
    for _ in range(2):
        integration.remove(client, PUBSUB)
        assert not simulation.servers.application.pubsubs


def test_a_key_that_was_deleted_does_not_hold_up_the_removal(open_client: Open) -> None:
    integration.remove(open_client("NNSXS.GONE.KEY"), PUBSUB)


def test_the_manual_mode_configures_nothing(simulation: Simulation, open_client: Open) -> None:
    manual = replace(PUBSUB, mode=IngestMode.MANUAL)
    integration.configure(open_client(), manual)
    assert not simulation.servers.application.pubsubs


@given(st.from_regex(re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}"), fullmatch=True))
def test_the_id_of_an_integration_fits_the_grammar_for_every_stack(stack_name: str) -> None:
    pubsub_id = replace(PUBSUB, stack_name=stack_name).pubsub_id
    assert identifiers.device_id("pubsub_id", pubsub_id) == pubsub_id


def test_the_id_differs_by_stack_region_and_account() -> None:
    others = {
        replace(PUBSUB, stack_name="farm").pubsub_id,
        replace(PUBSUB, region="us-east-1").pubsub_id,
        replace(PUBSUB, role_arn=PUBSUB.role_arn.replace("111122223333", "111122223334")).pubsub_id,
        PUBSUB.pubsub_id,
    }
    assert len(others) == 4
