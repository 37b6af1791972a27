"""The longest stack name, in every name that is derived from it: all of them fit."""

from collections.abc import Callable
from typing import Any

import pytest
import tftest

# One worker, with those of the other files: the plans take longer than all tests of them.
pytestmark = pytest.mark.xdist_group("plans")

Plan = Callable[[str], tftest.TerraformPlanOutput]
Resources = Callable[[tftest.TerraformPlanOutput], dict[str, dict[str, Any]]]

# Type of resource -> the attribute that is its name, and the longest AWS takes (the services' API references).
LIMITS = {
    "aws_cloudformation_stack": ("name", 128),
    "aws_cloudwatch_dashboard": ("dashboard_name", 255),
    "aws_cloudwatch_log_group": ("name", 512),
    "aws_cloudwatch_metric_alarm": ("alarm_name", 255),
    "aws_dynamodb_table": ("name", 255),
    "aws_iam_role": ("name", 64),
    "aws_iam_role_policy": ("name", 128),
    "aws_iot_policy": ("name", 128),
    "aws_iot_provisioning_template": ("name", 36),
    "aws_iot_thing_group": ("name", 128),
    "aws_iot_thing_type": ("name", 128),
    "aws_iot_topic_rule": ("name", 128),
    "aws_kms_alias": ("name", 256),
    "aws_lambda_function": ("function_name", 64),
    "aws_lambda_layer_version": ("layer_name", 140),
    "aws_lambda_permission": ("statement_id", 100),
    "aws_scheduler_schedule": ("name", 64),
    "aws_secretsmanager_secret": ("name", 512),
    "aws_sns_topic": ("name", 256),
    "aws_sqs_queue": ("name", 80),
    "aws_ssm_parameter": ("name", 1011),
}
NAMELESS = {
    "aws_kms_key",
    "aws_lambda_event_source_mapping",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_function_recursion_config",
    "aws_lambda_function_url",
    "aws_lambda_invocation",
    "aws_secretsmanager_secret_version",
    "aws_sns_topic_policy",
    "terraform_data",
}
LONGEST_STACK_NAME = 53
LONGEST_DEVICE_ID = 36  # The Things Stack, identifiers
LONGEST_THING_NAME = 128  # AWS IoT CreateThing
LONGEST_TOPIC = 256  # AWS IoT message broker, bytes
MOST_SLASHES = 7


@pytest.mark.soak
def test_every_derived_name_fits(plan: Plan, resources: Resources) -> None:
    checked = set()
    for address, resource in resources(plan("longest")).items():
        kind = resource["type"]
        assert kind in LIMITS or kind in NAMELESS, f"{address}: give {kind} a limit"
        if kind in LIMITS:
            attribute, limit = LIMITS[kind]
            assert len(resource["values"][attribute]) <= limit, address
            checked.add(kind)
    assert checked == set(LIMITS)


@pytest.mark.parametrize("stack", ["minimal", pytest.param("longest", marks=pytest.mark.soak)])
def test_a_role_names_its_region_and_no_other_role_has_its_name(stack: str, plan: Plan, resources: Resources) -> None:
    """Roles belong to the account: a stack of the same name in another region has other ones."""
    roles = [each["values"] for each in resources(plan(stack)).values() if each["type"] == "aws_iam_role"]
    assert roles
    assert all(role["name"].endswith("-eu-west-1") for role in roles)
    if stack == "minimal":
        assert len({role["name"] for role in roles}) == len(roles)


def test_things_of_the_scheme_device_id_and_their_topics_fit(plan: Plan) -> None:
    thing = LONGEST_STACK_NAME + len("_") + LONGEST_DEVICE_ID
    assert thing <= LONGEST_THING_NAME
    outputs = plan("minimal")["planned_values"]["outputs"]["topics"]["value"]
    for topic in outputs["public"].values():
        assert len(topic) - len("+") + LONGEST_THING_NAME <= LONGEST_TOPIC
        assert topic.count("/") <= MOST_SLASHES
