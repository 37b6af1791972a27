"""What is derived from an address of The Things Stack: the URLs of its servers, its AWS account, frequency plans.

The module needs no provider: one plan answers for all addresses.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.own_things_stack import OwnThingsStack
from local.stack import hcl

# One worker: what the tests share takes longer than all of them.
pytestmark = pytest.mark.xdist_group("addresses")

SANDBOX = "678672909819"
CLOUD = "097768003349"
# cluster_address, identity_server_address => URL of the cluster, URL of the Identity Server, AWS account.
DERIVED = {
    ("eu1.cloud.thethings.network", None): (
        "https://eu1.cloud.thethings.network",
        "https://eu1.cloud.thethings.network",
        SANDBOX,
    ),
    ("nam1.cloud.thethings.network:443", None): (
        "https://nam1.cloud.thethings.network:443",
        "https://eu1.cloud.thethings.network",
        SANDBOX,
    ),
    ("https://Growers.au1.cloud.thethings.industries/", None): (
        "https://growers.au1.cloud.thethings.industries",
        "https://growers.eu1.cloud.thethings.industries",
        CLOUD,
    ),
    ("lorawan.example.com:8443", None): (
        "https://lorawan.example.com:8443",
        "https://lorawan.example.com:8443",
        None,
    ),
    ("http://127.0.0.1:1885", "http://localhost:1886/"): ("http://127.0.0.1:1885", "http://localhost:1886", None),
    ("eu1.cloud.thethings.network", "identity.example.com"): (
        "https://eu1.cloud.thethings.network",
        "https://identity.example.com",
        SANDBOX,
    ),
    # Not a cluster of the hosted ones, however alike.
    ("eu1.cloud.thethings.network.example.com", None): (
        "https://eu1.cloud.thethings.network.example.com",
        "https://eu1.cloud.thethings.network.example.com",
        None,
    ),
}
API_KEY = {
    "secret_arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf",
    "version": 3,
    "use": {"environment": {"API_KEY_SECRET_ARN": "arn"}, "policy_json": "{}"},
}


@pytest.fixture(scope="module")
def derived(tree: Path, terraform: Callable[..., Any]) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Addresses -> the module's outputs."""
    folder = tree / "addresses"
    folder.mkdir()
    cases = {str(number): addresses for number, addresses in enumerate(DERIVED)}
    (folder / "main.tf").write_text(
        f"""module "things_stack" {{
          source                  = "../modules/things_stack"
          for_each                = {hcl(cases)}
          stack_name              = "farm"
          application_id          = "farm-app"
          cluster_address         = each.value[0]
          identity_server_address = each.value[1]
          api_key                 = {hcl(API_KEY)}
          ca_certificate          = startswith(each.value[0], "lorawan") ? "PEM" : null
        }}
        output "derived" {{ value = module.things_stack }}
        """
    )
    terraform(folder, "init", "-no-color")
    terraform(folder, "plan", "-no-color", "-out=plan")
    shown = json.loads(terraform(folder, "show", "-json", "plan").stdout)
    outputs = shown["planned_values"]["outputs"]["derived"]["value"]
    return {addresses: outputs[number] for number, addresses in cases.items()}


@pytest.mark.parametrize("addresses", DERIVED, ids=lambda addresses: str(addresses[0]))
def test_servers_and_account_follow_from_the_address(
    addresses: tuple[str, str | None], derived: dict[Any, Any]
) -> None:
    application = derived[addresses]["application"]
    assert (
        application["cluster_address"],
        application["identity_server_address"],
        derived[addresses].get("hosted_account_id"),
    ) == DERIVED[addresses]


def test_a_function_is_configured_with_the_same_addresses(derived: dict[Any, Any]) -> None:
    application = derived["https://Growers.au1.cloud.thethings.industries/", None]["application"]
    assert application["use"] == {
        "environment": {
            "API_KEY_SECRET_ARN": "arn",
            "APPLICATION_ID": "farm-app",
            "CLUSTER_ADDRESS": "https://growers.au1.cloud.thethings.industries",
            "IDENTITY_SERVER_ADDRESS": "https://growers.eu1.cloud.thethings.industries",
        },
        "policy_json": "{}",
    }
    assert application["api_key"] == {"secret_arn": API_KEY["secret_arn"], "version": 3}


def test_every_region_has_a_frequency_plan_that_exists(derived: dict[Any, Any]) -> None:
    plans = next(iter(derived.values()))["frequency_plans"]
    assert plans["ap-northeast-2"] == "KR_920_923_TTN"
    assert plans["eu-west-1"] == "EU_863_870_TTN"
    assert len(plans) == 20


def test_a_private_authority_reaches_whatever_calls_its_servers_and_configure(derived: dict[Any, Any]) -> None:
    outputs = derived["lorawan.example.com:8443", None]
    assert outputs["application"]["use"]["environment"]["CA_CERTIFICATE"] == "PEM"
    assert outputs["access"] == {
        "environment": {"API_KEY_SECRET_ARN": "arn", "CA_CERTIFICATE": "PEM"},
        "policy_json": "{}",
    }


@pytest.mark.parametrize("addresses", DERIVED, ids=lambda addresses: str(addresses[0]))
def test_the_local_environment_finds_the_same_identity_server(addresses: tuple[str, str | None]) -> None:
    if addresses[1] is None:
        variables = {"TTS_URL": addresses[0], "TTS_APPLICATION": "farm-app", "TTS_API_KEY": "NNSXS.A.B"}
        own = OwnThingsStack.named({**variables, "TTS_REACHES": "https://farm.example.org"})
        assert own
        assert own.identity_server == DERIVED[addresses][1]
