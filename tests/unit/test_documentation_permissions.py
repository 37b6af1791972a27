"""docs/permissions.md: the policies of whoever applies cover what the modules contain, for any stack."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests import applier, documents

POLICIES = applier.policies("farm", account="111122223333")
STATEMENTS: list[dict[str, Any]] = [statement for policy in POLICIES for statement in policy["Statement"]]
LONGEST = 6144
"""Characters of a managed policy, without white space (IAM quotas)."""

PLACE = "eu-west-1:111122223333"
# A resource of each type, by the name that the stack `farm` gives it, and the action that creates it.
CREATED = {
    "aws_cloudformation_stack": ("cloudformation:CreateStack", f"cloudformation:{PLACE}:stack/farm-webhook-url/1"),
    "aws_cloudwatch_dashboard": ("cloudwatch:PutDashboard", "cloudwatch::111122223333:dashboard/farm-thingbridge"),
    "aws_cloudwatch_metric_alarm": ("cloudwatch:PutMetricAlarm", f"cloudwatch:{PLACE}:alarm:farm-upstream-errors"),
    "aws_cloudwatch_log_group": ("logs:CreateLogGroup", f"logs:{PLACE}:log-group:/thethings/lorawan/farm/things"),
    "aws_dynamodb_table": ("dynamodb:CreateTable", f"dynamodb:{PLACE}:table/farm-sessions"),
    "aws_iam_role": ("iam:CreateRole", "iam::111122223333:role/farm-upstream-eu-west-1"),
    "aws_iam_role_policy": ("iam:PutRolePolicy", "iam::111122223333:role/farm_upstream-rule-eu-west-1"),
    "aws_iot_indexing_configuration": ("iot:UpdateIndexingConfiguration", ""),
    "aws_iot_policy": ("iot:CreatePolicy", f"iot:{PLACE}:policy/farm-things-stack"),
    "aws_iot_provisioning_template": (
        "iot:CreateProvisioningTemplate",
        f"iot:{PLACE}:provisioningtemplate/farm_line-1",
    ),
    "aws_iot_thing_group": ("iot:CreateThingGroup", f"iot:{PLACE}:thinggroup/farm:devices"),
    "aws_iot_thing_type": ("iot:CreateThingType", f"iot:{PLACE}:thingtype/farm:temperature"),
    "aws_iot_topic_rule": ("iot:CreateTopicRule", f"iot:{PLACE}:rule/farm_upstream"),
    "aws_kms_alias": ("kms:CreateAlias", f"kms:{PLACE}:alias/farm-alarms"),
    "aws_kms_key": ("kms:PutKeyPolicy", f"kms:{PLACE}:key/1"),
    "aws_lambda_event_source_mapping": ("lambda:DeleteEventSourceMapping", f"lambda:{PLACE}:event-source-mapping:1"),
    "aws_lambda_function": ("lambda:CreateFunction", f"lambda:{PLACE}:function:farm-upstream"),
    "aws_lambda_function_event_invoke_config": (
        "lambda:PutFunctionEventInvokeConfig",
        f"lambda:{PLACE}:function:farm-upstream",
    ),
    "aws_lambda_function_recursion_config": (
        "lambda:PutFunctionRecursionConfig",
        f"lambda:{PLACE}:function:farm-sync",
    ),
    "aws_lambda_function_url": ("lambda:CreateFunctionUrlConfig", f"lambda:{PLACE}:function:farm-webhook"),
    "aws_lambda_invocation": ("lambda:InvokeFunction", f"lambda:{PLACE}:function:farm-configure"),
    "aws_lambda_layer_version": ("lambda:PublishLayerVersion", f"lambda:{PLACE}:layer:farm-cryptography"),
    "aws_lambda_permission": ("lambda:AddPermission", f"lambda:{PLACE}:function:farm-upstream"),
    "aws_scheduler_schedule": ("scheduler:CreateSchedule", f"scheduler:{PLACE}:schedule/default/farm-sync"),
    "aws_secretsmanager_secret": ("secretsmanager:CreateSecret", f"secretsmanager:{PLACE}:secret:farm/AppSKeyKEK-a1"),
    "aws_secretsmanager_secret_version": (
        "secretsmanager:PutSecretValue",
        f"secretsmanager:{PLACE}:secret:farm/WebhookSecret-a1",
    ),
    "aws_sns_topic": ("sns:CreateTopic", f"sns:{PLACE}:farm-alerts"),
    "aws_sns_topic_policy": ("sns:SetTopicAttributes", f"sns:{PLACE}:farm-alarms"),
    "aws_sns_topic_subscription": ("sns:Subscribe", f"sns:{PLACE}:farm-alarms"),
    "aws_sqs_queue": ("sqs:CreateQueue", f"sqs:{PLACE}:farm-sync.fifo"),
    "aws_ssm_parameter": ("ssm:PutParameter", f"ssm:{PLACE}:parameter/thethings/lorawan/farm/configure/wanted/x"),
}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allowed(action: str, resource: str) -> bool:
    return any(
        any(fnmatchcase(action, each) for each in listed(statement["Action"]))
        and any(fnmatchcase(f"arn:aws:{resource}", each) for each in listed(statement["Resource"]))
        for statement in STATEMENTS
    )


def test_every_type_of_resource_in_the_modules_has_an_example_here() -> None:
    files = [*documents.ROOT.glob("*.tf"), *documents.ROOT.glob("modules/*/*.tf")]
    types = {each for file in files for each in re.findall(r'^resource "(aws_\w+)"', file.read_text(), re.MULTILINE)}
    assert types == set(CREATED)


@pytest.mark.parametrize("type_", CREATED)
def test_a_resource_of_this_stack_may_be_created_and_one_of_another_may_not(type_: str) -> None:
    action, resource = CREATED[type_]
    assert allowed(action, resource)
    # AWS names mappings and keys by itself, and an account has one index.
    if type_ not in ("aws_lambda_event_source_mapping", "aws_iot_indexing_configuration", "aws_kms_key"):
        assert not allowed(action, resource.replace("farm", "orchard"))


def test_a_role_is_passed_to_the_functions() -> None:
    assert allowed("iam:PassRole", CREATED["aws_iam_role"][1])


def test_each_policy_fits_into_a_managed_one() -> None:
    assert [len(json.dumps(policy, separators=(",", ":"))) <= LONGEST for policy in POLICIES] == [True, True]


def test_no_action_holds_a_wildcard_and_each_statement_has_a_name_of_its_own() -> None:
    assert not [action for statement in STATEMENTS for action in listed(statement["Action"]) if "*" in action]
    assert len({statement["Sid"] for statement in STATEMENTS}) == len(STATEMENTS)


def test_the_policies_are_written_for_another_stack_account_and_partition() -> None:
    written = json.dumps(
        applier.policies("field-north", region="cn-north-1", account="999988887777", partition="aws-cn")
    )
    assert "arn:aws-cn:iot:cn-north-1:999988887777:rule/field_north_*" in written
    assert "arn:aws-cn:lambda:cn-north-1:999988887777:function:field-north-*" in written
    for placeholder in ("farm", "eu-west-1", "111122223333", "arn:aws:"):
        assert placeholder not in written


def test_the_table_of_variables_names_statements_of_the_second_policy() -> None:
    named = set(re.findall(r"`([A-Z]\w+)`", documents.prose(documents.read("docs/permissions.md"))))
    assert named >= {statement["Sid"] for statement in POLICIES[1]["Statement"]}
    assert named <= {statement["Sid"] for statement in STATEMENTS}
