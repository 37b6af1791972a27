"""Application packages: the list, associations with `aws-iot` and their data, and their effect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.things_stack import ThingsStack, profiles
from tests.unit.things_stack_simulation.conftest import APP, Client, error_of

PACKAGES = f"/as/applications/{APP}/devices/none/packages"
ASSOCIATION = f"/as/applications/{APP}/packages/associations/198"
DATA = {"region": "eu-west-1", "stack_name": "farm", "role_arn": "arn:aws:iam::111122223333:role/farm"}


@pytest.fixture(scope="module")
def profile() -> str:
    """Only hosted deployments have the package `aws-iot`."""
    return profiles.HOSTED


def associate(client: Client, data: dict[str, str], name: str = "aws-iot") -> object:
    body = {"default": {"package_name": name, "data": data}, "field_mask": {"paths": ["package_name", "data"]}}
    return client.call("PUT", ASSOCIATION, body)


def test_the_packages_of_a_hosted_deployment_are_listed_for_any_device(client: Client) -> None:
    listed = {package["name"]: package["default_f_port"] for package in client.json("GET", PACKAGES)["packages"]}
    assert listed["aws-iot"] == 198


def test_the_right_to_packages_is_necessary_and_sufficient(with_rights: Callable[..., Client]) -> None:
    assert with_rights("RIGHT_APPLICATION_SETTINGS_PACKAGES").call("GET", PACKAGES).status_code == 200
    answer = with_rights("RIGHT_APPLICATION_SETTINGS_BASIC").call("GET", PACKAGES)
    assert error_of(answer) == (403, "pkg/auth/rights:insufficient_application_rights")


@pytest.mark.parametrize(
    "data",
    [
        DATA | {"role": "x"},
        {name: value for name, value in DATA.items() if name != "role_arn"},
        DATA | {"region": "mars-1"},
        DATA | {"role_arn": "farm"},
    ],
    ids=["unknown field", "missing field", "invalid region", "invalid role"],
)
def test_invalid_package_data_is_rejected(client: Client, data: dict[str, str]) -> None:
    assert error_of(associate(client, data))[0] == 400


def test_an_association_runs_until_it_is_deleted(simulation: ThingsStack, client: Client) -> None:
    associate(client, DATA)
    # Without AWS the provider can't connect: the reason shows that it was started.
    assert simulation.integrations.wait(APP, "198").reason == "the simulation has no access to AWS"
    assert client.json("GET", ASSOCIATION, field_mask="data")["package_name"] == "aws-iot"
    client.json("DELETE", ASSOCIATION)
    assert simulation.integrations.all() == {}


def test_an_association_with_a_package_that_the_deployment_lacks_has_no_effect(
    simulation: ThingsStack, client: Client
) -> None:
    simulation.packages = {}
    associate(client, DATA)
    assert simulation.integrations.all() == {}
