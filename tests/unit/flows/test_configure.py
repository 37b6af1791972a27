"""Function `configure` for the integration: what it does on create, update and delete, and where it moves to."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from handlers import configure
from local.things_stack import ThingsStack

APPLICATIONS = ("farm-app", "barn-app")


class Context:
    """An invocation with time left."""

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


@pytest.fixture
def things_stack() -> Iterator[ThingsStack]:
    with ThingsStack() as simulation:
        for application in APPLICATIONS:
            simulation.create_application(application)
        yield simulation
        simulation.assert_no_violations()


@pytest.fixture
def event(account: None, things_stack: ThingsStack) -> dict[str, Any]:
    secrets = boto3.client("secretsmanager")
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


def call(event: dict[str, Any], action: str, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    return configure.handler({**event, "tf": {"action": action, "prev_input": previous}}, Context())


def test_it_is_made_changed_and_removed(event: dict[str, Any], things_stack: ThingsStack) -> None:
    webhooks = things_stack.servers.application.webhooks
    result = call(event, "create")
    assert result["mode"] == "webhook"
    assert list(webhooks) == [("farm-app", result["configured"])]
    moved = {**event, "settings": {**event["settings"], "url": "https://def.lambda-url.eu-west-1.on.aws/"}}
    call(moved, "update", event)
    assert [each["base_url"] for each in webhooks.values()] == ["https://def.lambda-url.eu-west-1.on.aws"]
    call(moved, "delete")
    assert not webhooks


def test_what_moves_to_another_application_leaves_nothing_in_the_old_one(
    event: dict[str, Any], things_stack: ThingsStack
) -> None:
    call(event, "create")
    call({**event, "application_id": "barn-app", "api_key_secret_arn": event["other_key"]}, "update", event)
    assert [application for application, _ in things_stack.servers.application.webhooks] == ["barn-app"]


def test_the_answer_that_terraform_keeps_holds_no_secret(event: dict[str, Any], things_stack: ThingsStack) -> None:
    assert "let me in" not in str(call(event, "create"))
