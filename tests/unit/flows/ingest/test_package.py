"""Mode `package`: the association of the hosted deployment, and who owns it."""

from collections.abc import Callable, Iterator

import pytest

from local.things_stack import ThingsStack as Simulation
from local.things_stack import profiles
from tests.unit.conftest import APPLICATION
from thingbridge.errors import Misconfigured
from thingbridge.flows.ingest import package
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]
Make = Callable[..., Integration]


@pytest.fixture(scope="module")
def profile() -> str:
    """Only hosted deployments have the package."""
    return profiles.HOSTED


@pytest.fixture(autouse=True)
def hosted(simulation: Simulation) -> Iterator[None]:
    """The packages and associations as they were before the test."""
    packages = simulation.packages
    yield
    simulation.packages = packages
    simulation.servers.application.associations.clear()


def test_the_fields_of_the_data_have_the_names_that_the_user_chose(
    simulation: Simulation, open_client: Open, account: Account, integration: Make
) -> None:
    fields = {"region": "region", "stack_name": "stack_name", "role_arn": "role_arn", "external_id": "external_id"}
    wanted = integration(IngestMode.PACKAGE, data_fields=fields, external_id="b5b5a2a0", f_port=7)
    package.configure(open_client(), wanted, None, account)
    association = simulation.servers.application.associations[APPLICATION, "7"]
    assert association["package_name"] == "aws-iot"
    assert association["data"] == {
        "region": "eu-west-1",
        "stack_name": "Farm",
        "role_arn": "arn:aws:iam::111122223333:role/Farm-things-stack",
        "external_id": "b5b5a2a0",
    }


@pytest.mark.parametrize(
    ("holder", "named"),
    [
        (("storage-integration", {}), "the package storage-integration"),
        (
            ("aws-iot", {"region": "eu-west-1", "stack_name": "x", "role_arn": "arn:aws:iam::111122223333:role/x"}),
            "another role of aws-iot",
        ),
    ],
)
def test_another_owners_association_is_neither_overwritten_nor_removed(
    simulation: Simulation, open_client: Open, account: Account, integration: Make, holder: tuple[str, dict], named: str
) -> None:
    open_client().packages.set_default_association(198, *holder)
    before = dict(simulation.servers.application.associations[APPLICATION, "198"])
    with pytest.raises(Misconfigured, match=f"associated with {named}: .*choose another ingest.package.f_port"):
        package.configure(open_client(), integration(IngestMode.PACKAGE), None, account)
    package.remove(open_client(), integration(IngestMode.PACKAGE))
    assert simulation.servers.application.associations[APPLICATION, "198"] == before
    open_client().packages.delete_default_association(198)


def test_a_deployment_without_the_package_is_misconfigured(
    simulation: Simulation, open_client: Open, account: Account, integration: Make
) -> None:
    simulation.packages = {"alcsync-v1": 202}
    with pytest.raises(Misconfigured, match=r"no application package aws-iot \(it has: alcsync-v1\): choose another"):
        package.configure(open_client(), integration(IngestMode.PACKAGE), None, account)
    assert not simulation.servers.application.associations
