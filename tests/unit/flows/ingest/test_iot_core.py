"""The receiver `iot_core` of mode `webhook`: the address and headers at The Things Stack, and one token at a time."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.flows.ingest.conftest import Authorizers
from thingbridge.encryption import tokens
from thingbridge.errors import Busy, Misconfigured
from thingbridge.flows.ingest import iot_core
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import NotFound

Open = Callable[..., ThingsStack]
Make = Callable[..., Integration]
MODE = IngestMode.WEBHOOK_IOT_CORE
NAME = "Farm-webhook"


@pytest.fixture(autouse=True)
def removed(open_client: Open, integration: Make) -> Iterator[None]:
    yield
    with suppress(NotFound):
        iot_core.remove(open_client(), integration(MODE))


def configured(simulation: Simulation) -> dict[str, Any]:
    (webhook,) = simulation.servers.application.webhooks.values()
    return dict(webhook)


def token_of(simulation: Simulation) -> str:
    return str(configured(simulation)["headers"]["X-Thingbridge-Token"])


def test_every_kind_is_posted_to_its_topic_with_a_token_that_the_authorizer_admits(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, authorizers: Authorizers
) -> None:
    iot_core.configure(open_client(), integration(MODE), None, account)
    webhook = configured(simulation)
    assert webhook["base_url"] == "https://example-ats.iot.eu-west-1.amazonaws.com/topics/thethings/lorawan/Farm"
    assert {kind: webhook[kind]["path"] for kind in UPSTREAM_EVENTS} == {
        kind: f"/{event}?qos=1" for kind, event in UPSTREAM_EVENTS.items()
    }
    token, signature = (webhook["headers"][name] for name in ("X-Thingbridge-Token", iot_core.SIGNATURE_HEADER))
    assert webhook["headers"] == {
        "X-Amz-Customauthorizer-Name": NAME,
        "X-Thingbridge-Token": token,
        "X-Amz-Customauthorizer-Signature": signature,
    }
    ((known, key),) = authorizers.existing[NAME].items()
    assert known == token
    assert tokens.is_signed(token, signature, key)


def test_with_basic_ingest_the_address_names_the_rule(
    simulation: Simulation, open_client: Open, account: Account, integration: Make
) -> None:
    iot_core.configure(open_client(), integration(MODE, basic_ingest_rule="Farm_upstream"), None, account)
    assert configured(simulation)["base_url"].endswith("/topics/$aws/rules/Farm_upstream/thethings/lorawan/Farm")


def test_another_apply_keeps_the_token(
    simulation: Simulation, open_client: Open, account: Account, integration: Make
) -> None:
    wanted = integration(MODE)
    iot_core.configure(open_client(), wanted, None, account)
    before = configured(simulation)["headers"]
    # Terraform lost its state; then it runs again with Basic Ingest.
    iot_core.configure(open_client(), wanted, None, account)
    iot_core.configure(open_client(), integration(MODE, basic_ingest_rule="Farm_upstream"), wanted, account)
    assert configured(simulation)["headers"] == before


def test_a_token_that_no_longer_fits_is_replaced(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, authorizers: Authorizers
) -> None:
    wanted, client = integration(MODE), open_client()
    iot_core.configure(client, wanted, None, account)
    before = configured(simulation)["headers"]
    client.webhooks.set(wanted.id, {"headers": {**before, iot_core.SIGNATURE_HEADER: "edited"}}, ["headers"])
    iot_core.configure(client, wanted, wanted, account)
    repaired = token_of(simulation)
    assert repaired != before["X-Thingbridge-Token"]
    # Somebody deleted the authorizer.
    authorizers.existing.clear()
    iot_core.configure(client, wanted, wanted, account)
    assert list(authorizers.existing[NAME]) == [token_of(simulation)] != [repaired]


def test_a_raised_version_replaces_the_token_and_both_are_admitted_meanwhile(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, authorizers: Authorizers
) -> None:
    wanted = integration(MODE)
    iot_core.configure(open_client(), wanted, None, account)
    old = token_of(simulation)
    authorizers.history.clear()
    iot_core.configure(open_client(), integration(MODE, token_version=2), wanted, account)
    new = token_of(simulation)
    assert old != new
    assert authorizers.history == [{old, new}, {new}]


def test_a_token_that_aws_iot_does_not_admit_never_reaches_the_things_stack(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, authorizers: Authorizers
) -> None:
    authorizers.admits = False
    with pytest.raises(Misconfigured):
        iot_core.configure(open_client(), integration(MODE), None, account)
    assert (simulation.servers.application.webhooks, authorizers.existing) == ({}, {})
    authorizers.admits = True
    iot_core.configure(open_client(), integration(MODE), None, account)
    old, authorizers.admits = token_of(simulation), False
    with pytest.raises(Misconfigured):
        iot_core.configure(open_client(), integration(MODE, token_version=2), integration(MODE), account)
    assert (token_of(simulation), list(authorizers.existing[NAME])) == (old, [old])


def test_after_an_interrupted_rotation_the_old_token_is_admitted_and_the_next_apply_cleans_up(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, authorizers: Authorizers
) -> None:
    wanted, rotated = integration(MODE), integration(MODE, token_version=2)
    iot_core.configure(open_client(), wanted, None, account)
    old = token_of(simulation)
    simulation.faults.add(path="/as/webhooks/", method="PUT", status=503, times=20)
    with pytest.raises(Busy):
        iot_core.configure(open_client(remaining=1.1), rotated, wanted, account)
    simulation.faults.clear()
    assert token_of(simulation) == old
    assert old in authorizers.existing[NAME]
    iot_core.configure(open_client(), rotated, wanted, account)
    assert list(authorizers.existing[NAME]) == [token_of(simulation)] != [old]
    iot_core.release(rotated, account)
    assert authorizers.existing == {}
