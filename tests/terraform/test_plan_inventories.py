"""What a first apply creates: the examples' inventories, compared with inventories/, and what holds for every stack.

UPDATE_INVENTORIES=1 writes the inventories again; the difference is for a person to read.
"""

import importlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tftest

from thingbridge.messaging import topics
from thingbridge.registry.events import SELECTED

# One worker, with those of the other files: the plans take longer than all tests of them.
pytestmark = pytest.mark.xdist_group("plans")

Plan = Callable[[str], tftest.TerraformPlanOutput]
Resources = Callable[[tftest.TerraformPlanOutput], dict[str, dict[str, Any]]]
Documents = Callable[[tftest.TerraformPlanOutput], dict[str, list[dict[str, Any]]]]

INVENTORIES = Path(__file__).parent / "inventories"
# Attributes whose change a person should see. None depends on the account.
SHOWN = {
    "aws_cloudformation_stack": ("name",),
    "aws_cloudwatch_dashboard": ("dashboard_name",),
    "aws_cloudwatch_log_group": ("name", "retention_in_days"),
    "aws_cloudwatch_metric_alarm": ("alarm_name", "treat_missing_data"),
    "aws_dynamodb_table": ("billing_mode", "hash_key", "name", "range_key", "ttl"),
    "aws_iam_role": ("name",),
    "aws_iot_thing_group": ("name", "parent_group_name"),
    "aws_iot_thing_type": ("name", "properties"),
    "aws_iot_topic_rule": ("name", "sql"),
    "aws_kms_alias": ("name",),
    "aws_lambda_event_source_mapping": ("batch_size", "function_response_types", "scaling_config"),
    "aws_lambda_function": ("architectures", "function_name", "handler", "memory_size", "runtime", "timeout"),
    "aws_lambda_function_event_invoke_config": ("maximum_event_age_in_seconds", "maximum_retry_attempts"),
    "aws_lambda_layer_version": ("compatible_architectures", "compatible_runtimes", "layer_name"),
    "aws_lambda_function_url": ("authorization_type",),
    "aws_scheduler_schedule": ("name", "schedule_expression"),
    "aws_secretsmanager_secret": ("name", "recovery_window_in_days"),
    "aws_ssm_parameter": ("name", "tier"),
    "aws_sns_topic": ("name",),
    "aws_sqs_queue": ("message_retention_seconds", "name", "sqs_managed_sse_enabled", "visibility_timeout_seconds"),
}
# Function -> class in handlers/settings.py that reads its environment.
SETTINGS = {
    "configure": "",  # reads its secrets by what Terraform wrote, not by its environment
    "devices": "DevicesSettings",
    "directory": "DirectorySettings",
    "downlink": "DownlinkSettings",
    "registry": "RegistrySettings",
    "requeue": "RequeueSettings",
    "shadow": "ShadowWriterSettings",
    "sync": "SyncSettings",
    "telemetry": "TelemetrySettings",
    "upstream": "UpstreamSettings",
    "waiting": "WaitingSettings",
    "webhook": "WebhookSettings",
}
# Settings that have a default, and are set in the stack that the test of them looks at.
OPTIONAL: dict[str, set[str]] = {
    "devices": {"TELEMETRY_STATES_TABLE"},
    "directory": {"IOT_ENDPOINT"},
    "downlink": {"CA_CERTIFICATE", "DELTA_F_PORT", "IOT_ENDPOINT"},
    "registry": {"CA_CERTIFICATE", "REGISTRY_QUEUE_URL"},
    "sync": {"CA_CERTIFICATE", "SILENT_AFTER_SECONDS"},
    "upstream": {
        "DIRECTORY_DEAD_LETTERS_URL",
        "DIRECTORY_QUEUE_URL",
        "IOT_ENDPOINT",
        "WAITING_QUEUE_URL",
        "WAITING_TABLE",
    },
}
# Those that also read WorkQueueSettings.
WORKING_ON_A_QUEUE = {"directory", "downlink", "registry", "requeue", "shadow", "sync", "waiting"}


@pytest.mark.parametrize("example", ["complete", "minimal"])
def test_an_example_creates_what_its_inventory_lists(
    example: str, plan: Plan, resources: Resources, policy_documents: Documents
) -> None:
    planned = plan(example)
    made = resources(planned)
    inventory = {
        "counts": dict(sorted(Counter(resource["type"] for resource in made.values()).items())),
        "resources": {
            address: {attribute: resource["values"].get(attribute) for attribute in SHOWN[resource["type"]]}
            for address, resource in sorted(made.items())
            if resource["type"] in SHOWN
        },
        "rights": {
            address: {statement["sid"]: _rights(statement) for statement in statements}
            for address, statements in sorted(policy_documents(planned).items())
        },
    }
    file = INVENTORIES / f"{example}.json"
    if os.environ.get("UPDATE_INVENTORIES"):
        file.write_text(json.dumps(inventory, indent=2) + "\n")
    assert inventory == json.loads(file.read_text()), "if this is intended: UPDATE_INVENTORIES=1 pytest tests/terraform"


def test_the_dashboard_of_an_example_is_as_it_was(plan: Plan, resources: Resources) -> None:
    """`python tests/terraform/dashboard.py` draws the picture in the documentation from this file."""
    (made,) = [each for each in resources(plan("complete")).values() if each["type"] == "aws_cloudwatch_dashboard"]
    body = json.loads(made["values"]["dashboard_body"])
    # The account is that of the run.
    text = re.sub(r":\d{12}:", ":111122223333:", json.dumps(body, indent=1, ensure_ascii=False))
    file = INVENTORIES / "dashboard.json"
    if os.environ.get("UPDATE_INVENTORIES"):
        file.write_text(text + "\n")
    assert json.loads(text) == json.loads(file.read_text()), "UPDATE_INVENTORIES=1, then draw the picture again"


def test_a_dashboard_shows_everything_that_can_fail(plan: Plan, resources: Resources) -> None:
    made = [each for address, each in resources(plan("complete")).items() if address.startswith("module.vineyard.")]
    (dashboard,) = [each["values"] for each in made if each["type"] == "aws_cloudwatch_dashboard"]
    names = {
        "aws_cloudwatch_metric_alarm": "alarm_name",
        "aws_iot_topic_rule": "name",
        "aws_lambda_function": "function_name",
        "aws_sqs_queue": "name",
    }
    expected = {each["values"][names[each["type"]]] for each in made if each["type"] in names}
    shown = set(re.findall(r"[\w.-]+", dashboard["dashboard_body"]))
    # Terraform invokes it, and shows its error.
    assert expected - shown == {"vineyard-configure"}


def _rights(statement: dict[str, Any]) -> dict[str, Any]:
    return {
        "actions": statement["actions"],
        "resources": [resource or "(known after apply)" for resource in statement.get("resources") or []],
    }


def test_a_function_is_configured_with_what_it_reads_and_nothing_else(plan: Plan, resources: Resources) -> None:
    settings = importlib.import_module("handlers.settings")
    beside: dict[str, set[str]] = {}
    for address, resource in resources(plan("complete")).items():
        # The secret of this stack exists, so the plan knows all but the URL of the dead letters of `waiting`. Functions
        # that are not part of it are started by the end-to-end tests.
        if not address.startswith("module.vineyard.") or resource["type"] != "aws_lambda_function":
            continue
        function = resource["values"]["function_name"].removeprefix("vineyard-")
        variables = resource["values"]["environment"][0].get("variables")
        if variables is None or function == "configure":
            continue
        classes = [SETTINGS[function], *(["WorkQueueSettings"] if function in WORKING_ON_A_QUEUE else [])]
        read = [each for name in classes for each in getattr(settings, name).fields()]
        required = {each.name.upper() for each in read if each.default is settings.REQUIRED}
        given = set(variables) - {"LOG_LEVEL"}
        assert required <= given, function
        beside[function] = given - required
    assert beside == OPTIONAL


def test_a_handler_is_there_for_every_function(repository: Path, plan: Plan, resources: Resources) -> None:
    handlers = {
        resource["values"]["handler"]
        for resource in resources(plan("complete")).values()
        if resource["type"] == "aws_lambda_function"
    }
    assert handlers == {f"handlers.{function}.handler" for function in SETTINGS}
    for handler in handlers:
        module, _, name = handler.rpartition(".")
        file = repository / "lambda_src" / (module.replace(".", "/") + ".py")
        assert f"def {name}(" in file.read_text()


def test_rules_listen_where_the_functions_expect_messages(plan: Plan, resources: Resources) -> None:
    rules = {
        resource["values"]["name"]: resource["values"]["sql"]
        for resource in resources(plan("minimal")).values()
        if resource["type"] == "aws_iot_topic_rule"
    }
    message = "SELECT topic() AS topic, encode(*, 'base64') AS payload FROM"
    output = "newuuid() AS id, topic() AS topic, encode(*, 'base64') AS payload, timestamp() AS receivedAt FROM"
    anybody, named = f"SELECT topic() AS thing, {output}", f"SELECT topic(2) AS thing, {output}"
    registry = "FROM '$aws/events/thing/+/+' WHERE thingTypeName = 'lorawan' AND attributes.stackName = 'farm'"
    selected = ", ".join(f"attributes.{name} AS {name}" for name in SELECTED)
    of_things = "SELECT thingName, timestamp() AS at, attributes.devEUI AS devEUI, attributes.deviceID AS deviceID FROM"
    names_it = "(NOT isUndefined(attributes.devEUI) OR NOT isUndefined(attributes.deviceID))"
    assert rules == {
        "farm_directory_changed": (
            f"{of_things} '$aws/events/thing/+/+' "
            f"WHERE (operation <> 'CREATED' OR isUndefined(attributes.devEUI)) AND {names_it}"
        ),
        "farm_directory_created": f"{of_things} '$aws/events/thing/+/created' WHERE thingName <> attributes.devEUI",
        "farm_upstream": f"{message} '{topics.UPSTREAM_BASE}/farm/#'",
        "farm_downlink": f"{anybody} '{topics.DOWNLINK_REQUEST}'",
        "farm_downlink_push": f"{named} '{topics.public('+', topics.DOWNLINK_PUSH)}'",
        "farm_downlink_replace": f"{named} '{topics.public('+', topics.DOWNLINK_REPLACE)}'",
        "farm_registry": " ".join((f"SELECT operation, thingName, {selected}", registry)),
    }


def test_every_hop_has_a_queue_for_what_failed(plan: Plan, resources: Resources) -> None:
    made = resources(plan("minimal")).values()
    rules = [resource["values"] for resource in made if resource["type"] == "aws_iot_topic_rule"]
    assert rules
    # A queue would keep the whole registry event, with its keys: the function is invoked with it, and nothing keeps it.
    without = {"farm_directory_changed", "farm_directory_created", "farm_registry"}
    assert {rule["name"] for rule in rules if not rule["error_action"][0]["sqs"]} == without
    assert {rule["name"] for rule in rules if rule["error_action"][0]["lambda"]} == without
    asynchronous = {rule["name"].split("_")[1] for rule in rules if rule["lambda"]}
    caught = {
        resource["values"]["function_name"].removeprefix("farm-")
        for resource in made
        if resource["type"] == "aws_lambda_function_event_invoke_config"
        and resource["values"]["destination_config"][0]["on_failure"]
    }
    assert asynchronous == caught == {"upstream"}


def test_two_stacks_share_no_name(plan: Plan, resources: Resources) -> None:
    names: Counter[tuple[str, str]] = Counter()
    for resource in resources(plan("complete")).values():
        for attribute in ("function_name", "name"):
            name = resource["values"].get(attribute)
            if name and resource["type"] in SHOWN and resource["type"] != "aws_lambda_function_event_invoke_config":
                names[resource["type"], name] += 1
    assert {name: count for name, count in names.items() if count > 1} == {}
    assert sum(1 for kind, _ in names if kind == "aws_lambda_function") == 19
