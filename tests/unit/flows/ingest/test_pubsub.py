"""Mode `pubsub`: how the provider `aws_iot` is configured."""

from collections.abc import Callable

import pytest

from local.things_stack import ThingsStack as Simulation
from thingbridge.errors import Misconfigured
from thingbridge.flows.ingest import pubsub
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.things_stack.client import ThingsStack


@pytest.mark.parametrize("external_id", ["b5b5a2a0", None])
def test_the_provider_gets_the_role_the_region_and_the_stack(
    simulation: Simulation,
    open_client: Callable[..., ThingsStack],
    account: Account,
    integration: Callable[..., Integration],
    external_id: str | None,
) -> None:
    wanted = integration(IngestMode.PUBSUB, external_id=external_id)
    pubsub.configure(open_client(), wanted, None, account)
    (configured,) = simulation.servers.application.pubsubs.values()
    role = {"arn": "arn:aws:iam::111122223333:role/Farm-things-stack"}
    assert configured["aws_iot"] == {
        "region": "eu-west-1",
        "assume_role": role | ({"external_id": external_id} if external_id else {}),
        "default": {"stack_name": "Farm"},
    }
    pubsub.remove(open_client(), wanted)


@pytest.mark.parametrize("status", [400, 404, 501])
def test_a_things_stack_without_pubsub_is_misconfigured_and_the_error_names_the_fix(
    simulation: Simulation,
    open_client: Callable[..., ThingsStack],
    account: Account,
    integration: Callable[..., Integration],
    status: int,
) -> None:
    simulation.faults.add(method="PUT", path="/as/pubsub", status=status)
    simulation.faults.add(method="POST", path="/as/pubsub", status=status)
    with pytest.raises(Misconfigured, match=r"choose another ingest\.mode, such as webhook"):
        pubsub.configure(open_client(), integration(IngestMode.PUBSUB, external_id=None), None, account)
