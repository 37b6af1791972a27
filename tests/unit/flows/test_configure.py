"""Flow `configure`: the outcome of a create, an update and a delete for each resource, and of a move elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from tests.unit.invocation import Invocation
from thingbridge.aws.clients import Clients
from thingbridge.errors import Misconfigured

APPLICATIONS = ("farm-app", "barn-app")


@pytest.fixture
def things_stack() -> Iterator[Simulation]:
    with Simulation(port=0) as simulation:
        for application in APPLICATIONS:
            simulation.create_application(application)
        yield simulation
        simulation.assert_no_violations()


@pytest.fixture
def event(clients: Clients, things_stack: Simulation) -> dict[str, Any]:
    secrets = clients("secretsmanager")
    secret = secrets.create_secret(Name="Farm/WebhookSecret", SecretString="let me in")["ARN"]
    keys = {
        application: secrets.create_secret(Name=application, SecretString=things_stack.create_api_key(application))
        for application in APPLICATIONS
    }
    return {
        "resource": "integration",
        "mode": "webhook",
        "settings": {"url": "https://abc.lambda-url.eu-west-1.on.aws/", "secret_arn": secret, "secret_version": 1},
        "account_id": "111122223333",
        "region": "eu-west-1",
        "stack_name": "Farm",
        "cluster_address": things_stack.url,
        "identity_server_address": things_stack.url,
        "application_id": "farm-app",
        "api_key_secret_arn": keys["farm-app"]["ARN"],
        "other_key": keys["barn-app"]["ARN"],
    }


@pytest.fixture
def call(clients: Clients) -> Any:
    """Invoke the function as Terraform does: event, action, previous event."""
    flow = composition.configure(clients)

    def invoke(event: dict[str, Any], action: str, previous: dict[str, Any] | None = None) -> dict[str, Any]:
        return flow(Invocation(10)).handle({**event, "tf": {"action": action, "prev_input": previous}})

    return invoke


def test_an_integration_is_created_changed_and_removed(
    call: Any, event: dict[str, Any], things_stack: Simulation
) -> None:
    webhooks = things_stack.servers.application.webhooks
    result = call(event, "create")
    assert result["mode"] == "webhook"
    assert list(webhooks) == [("farm-app", result["configured"])]
    moved = {**event, "settings": {**event["settings"], "url": "https://def.lambda-url.eu-west-1.on.aws/"}}
    call(moved, "update", event)
    assert [each["base_url"] for each in webhooks.values()] == ["https://def.lambda-url.eu-west-1.on.aws"]
    call(moved, "delete")
    assert not webhooks


def test_an_integration_that_moves_to_another_application_leaves_nothing_in_the_old_one(
    call: Any, event: dict[str, Any], things_stack: Simulation
) -> None:
    call(event, "create")
    call({**event, "application_id": "barn-app", "api_key_secret_arn": event["other_key"]}, "update", event)
    assert [application for application, _ in things_stack.servers.application.webhooks] == ["barn-app"]


def test_the_answer_that_terraform_keeps_contains_no_secret(call: Any, event: dict[str, Any]) -> None:
    assert "let me in" not in str(call(event, "create"))


def test_an_api_key_without_the_rights_configures_nothing(
    call: Any, event: dict[str, Any], things_stack: Simulation, clients: Clients
) -> None:
    key = things_stack.create_api_key("farm-app", rights=["RIGHT_APPLICATION_DEVICES_READ"])
    clients("secretsmanager").put_secret_value(SecretId=event["api_key_secret_arn"], SecretString=key)
    with pytest.raises(Misconfigured, match="lacks rights"):
        call(event, "create")
    assert not things_stack.servers.application.webhooks


def test_a_corrected_api_key_is_used_by_the_next_apply(
    call: Any, event: dict[str, Any], things_stack: Simulation, clients: Clients
) -> None:
    secrets = clients("secretsmanager")
    right = secrets.get_secret_value(SecretId=event["api_key_secret_arn"])["SecretString"]
    secrets.put_secret_value(SecretId=event["api_key_secret_arn"], SecretString="NNSXS.WRONG.KEY")
    with pytest.raises(Misconfigured, match="refuses the API key"):
        call(event, "create")
    secrets.put_secret_value(SecretId=event["api_key_secret_arn"], SecretString=right)
    assert call(event, "create")["mode"] == "webhook"


def test_a_destroy_leaves_the_thing_type_that_an_apply_created(call: Any, clients: Clients) -> None:
    event = {
        "resource": "thing_type",
        "thing_type_name": "sensor",
        "description": "LoRaWAN end device",
        "searchable_attributes": ["devEUI", "stackName", "deviceID"],
    }
    assert call(event, "create") == {"thing_type_name": "sensor", "created": True}
    assert call(event, "update", event) == {"thing_type_name": "sensor", "created": False}
    assert call(event, "delete") == {"left": "sensor"}
    found = clients("iot").describe_thing_type(thingTypeName="sensor")["thingTypeProperties"]
    assert found["searchableAttributes"] == ["devEUI", "stackName", "deviceID"]
