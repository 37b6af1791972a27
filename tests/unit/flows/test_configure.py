"""Flow `configure`: the outcome of a create, an update and a delete for each resource. Failures: test_way_back.py."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handlers import composition
from local.things_stack import ThingsStack as Simulation
from tests.unit.flows.applies import ENVIRONMENT, PATH, Applies
from tests.unit.invocation import Invocation
from thingbridge.aws.clients import Clients
from thingbridge.errors import Misconfigured, Refused
from thingbridge.flows.api_key import RIGHTS
from thingbridge.flows.configuration import Application


@pytest.fixture
def things_stack() -> Iterator[Simulation]:
    with Simulation(port=0) as simulation:
        simulation.create_application("farm-app")
        yield simulation
        simulation.assert_no_violations()


@pytest.fixture
def wanted(clients: Clients, things_stack: Simulation) -> dict[str, Any]:
    secrets = clients("secretsmanager")
    secret = secrets.create_secret(Name="Farm/WebhookSecret", SecretString="let me in")["ARN"]
    key = secrets.create_secret(Name="farm-app", SecretString=things_stack.create_api_key("farm-app"))["ARN"]
    return {
        "mode": "webhook",
        "settings": {"url": "https://abc.lambda-url.eu-west-1.on.aws/", "secret_arn": secret, "secret_version": 1},
        "account_id": "111122223333",
        "region": "eu-west-1",
        "stack_name": "Farm",
        "cluster_address": things_stack.url,
        "identity_server_address": things_stack.url,
        "application_id": "farm-app",
        "api_key_secret_arn": key,
        "api_key_version": 1,
    }


@pytest.fixture
def applies(clients: Clients) -> Applies:
    return Applies(clients)


@pytest.fixture
def call(clients: Clients) -> Any:
    """Invoke the function as Terraform does on create."""
    flow = composition.configure(ENVIRONMENT, clients)
    return lambda event: flow(Invocation(10)).handle(event)


def test_an_integration_is_created_changed_and_removed(
    applies: Applies, wanted: dict[str, Any], things_stack: Simulation
) -> None:
    webhooks = things_stack.servers.application.webhooks
    result = applies.apply(wanted)
    ((application, id_),) = webhooks
    assert application == "farm-app"
    assert result == {"configured": f"the integration {id_} (ingest.mode webhook)"}
    applies.apply({**wanted, "settings": {**wanted["settings"], "url": "https://def.lambda-url.eu-west-1.on.aws/"}})
    assert [each["base_url"] for each in webhooks.values()] == ["https://def.lambda-url.eu-west-1.on.aws/farm-app"]
    host = things_stack.url.removeprefix("http://")
    assert applies.destroy() == {"removed": [f"{result['configured']} of the application farm-app at {host}"]}
    assert not webhooks


def test_neither_the_answer_nor_the_record_contains_a_secret(
    applies: Applies, wanted: dict[str, Any], clients: Clients
) -> None:
    answer = applies.apply(wanted)
    key = clients("secretsmanager").get_secret_value(SecretId=wanted["api_key_secret_arn"])["SecretString"]
    for text in (str(answer), str(applies.record)):
        assert "let me in" not in text
        assert key not in text


def test_an_api_key_without_the_rights_configures_nothing(
    applies: Applies, wanted: dict[str, Any], things_stack: Simulation, clients: Clients
) -> None:
    key = things_stack.create_api_key("farm-app", rights=["RIGHT_APPLICATION_DEVICES_READ"])
    clients("secretsmanager").put_secret_value(SecretId=wanted["api_key_secret_arn"], SecretString=key)
    with pytest.raises(Misconfigured, match="lacks rights"):
        applies.apply(wanted)
    assert not things_stack.servers.application.webhooks
    assert applies.record == {}


def test_without_the_parameter_of_terraform_nothing_is_configured(call: Any) -> None:
    with pytest.raises(Misconfigured, match="/thethings/lorawan/Farm/configure/wanted/integration is missing"):
        call({"resource": "integration", "attempt": "1"})


@pytest.fixture
def check(call: Any, clients: Clients, wanted: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Invoke the check of what Terraform wrote, with another API key when one is given."""

    def invoke(key: str | None = None, action: str = "create", **changes: Any) -> dict[str, Any]:
        if key:
            clients("secretsmanager").put_secret_value(SecretId=wanted["api_key_secret_arn"], SecretString=key)
        application = {name: wanted[name] for name in Application.__dataclass_fields__}
        text = json.dumps({**application, "mode": "webhook", "end_to_end_encryption": False, **changes})
        clients("ssm").put_parameter(Name=f"{PATH}/wanted/check", Value=text, Type="String", Overwrite=True)
        return dict(call({"resource": "check", "tf": {"action": action, "prev_input": None}}))

    return invoke


def test_a_check_configures_nothing(check: Callable[..., dict[str, Any]], things_stack: Simulation) -> None:
    host = things_stack.url.removeprefix("http://")
    assert check() == {"checked": f"the application farm-app at {host}"}
    assert {request.method for request in things_stack.requests} == {"GET"}


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"mode": "webhook"}, "RIGHT_APPLICATION_SETTINGS_BASIC"),
        ({"mode": "package"}, "RIGHT_APPLICATION_SETTINGS_PACKAGES"),
        ({"mode": "manual", "end_to_end_encryption": True}, "RIGHT_APPLICATION_DEVICES_READ_KEYS"),
    ],
    ids=["webhook", "package", "end-to-end encryption"],
)
def test_a_check_names_the_right_that_the_chosen_mode_or_encryption_lacks(
    check: Callable[..., dict[str, Any]], things_stack: Simulation, changes: dict[str, Any], missing: str
) -> None:
    key = things_stack.create_api_key("farm-app", rights=list(RIGHTS))
    assert check(key, mode="manual")
    with pytest.raises(Misconfigured, match=missing):
        check(key, **changes)


def test_a_check_names_a_wrong_key_and_the_variable_that_makes_a_corrected_one_known(
    check: Callable[..., dict[str, Any]],
) -> None:
    with pytest.raises(Misconfigured, match="refuses the API key.*raise application_api_key_version"):
        check("NNSXS.WRONG.KEY")


def test_a_destroy_checks_nothing(check: Callable[..., dict[str, Any]], things_stack: Simulation) -> None:
    assert check("NNSXS.WRONG.KEY", action="delete") == {}
    assert len(things_stack.requests) == 0


THING_TYPE = {
    "resource": "thing_type",
    "thing_type_name": "sensor",
    "description": "LoRaWAN end device",
    "searchable_attributes": ["devEUI", "stackName", "deviceID"],
}


def test_a_thing_type_is_created_once_and_then_adopted(call: Any, clients: Clients) -> None:
    assert call(THING_TYPE) == {"thing_type_name": "sensor", "created": True}
    assert call(THING_TYPE) == {"thing_type_name": "sensor", "created": False}
    found = clients("iot").describe_thing_type(thingTypeName="sensor")["thingTypeProperties"]
    assert found["searchableAttributes"] == ["devEUI", "stackName", "deviceID"]


def test_what_an_adopted_thing_type_is_not_searchable_by_is_reported(
    call: Any, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    properties = {"searchableAttributes": ["devEUI", "stackName"]}
    clients("iot").create_thing_type(thingTypeName="sensor", thingTypeProperties=properties)
    assert call(THING_TYPE)["not_searchable"] == ["deviceID"]
    assert '"event": "thing_type_not_searchable"' in capsys.readouterr().out


def test_a_thing_type_that_things_are_not_found_by_fails_the_apply(call: Any, clients: Clients) -> None:
    clients("iot").create_thing_type(thingTypeName="sensor")
    with pytest.raises(Refused, match="choose another thing_type_name"):
        call(THING_TYPE)
