"""One stack in this process for all tests of this folder, on the AWS of the run and a simulation of its own."""

from collections.abc import Iterator

import pytest

from local.aws import LocalAws
from local.things_stack import ThingsStack
from tests.faults.deployment import Deployment, deployment


@pytest.fixture(scope="session")
def deployed(aws: LocalAws) -> Iterator[Deployment]:
    with ThingsStack(port=0, profile="hosted") as simulation, deployment(aws, simulation) as made:
        yield made
