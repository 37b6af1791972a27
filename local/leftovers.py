"""What an apply created without recording it: Terraform's provider loses a response of an emulator now and then, sends
the request again, and this fails because the resource exists. AWS is too far away for that, and the emulator that is
started here prevents it (local/emulator/launcher.py); on another one the fix is to clean up and apply again.

Left alone is what a stack leaves on purpose: the thing type that stacks share, the account's fleet index and registry
events, and certificates of claims and authorities, which no stack creates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from local.aws import LocalAws
from local.stack import OnProgress, Stack, TerraformError

_RETRIED = ("already exists", "StatusCode: 409", "ResourceConflict", "EntityAlreadyExists")


class Aws(Protocol):
    """An AWS account in one region."""

    def client(self, service: str) -> Any:
        """A boto3 client."""


@dataclass(frozen=True)
class Kind:
    """How the resources of a type are found and removed.

    `listing`: the operation of `service` that lists them, and where its answer has them. `name` and `remove` get one of
    the list, and `remove` a client before it.
    """

    service: str
    listing: tuple[str, str]
    name: Callable[[Any], str]
    remove: Callable[[Any, Any], object]


def _remove_role(iam: Any, role: Any) -> None:
    name = role["RoleName"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


@dataclass(frozen=True)
class Resource:
    """An existing resource: its kind by Terraform's type, and `each` as its listing has it."""

    type: str
    name: str
    client: Any
    each: Any

    def remove(self) -> None:
        """Remove it, and what it has of others."""
        KINDS[self.type].remove(self.client, self.each)


def _remove_policy(iot: Any, policy: Any) -> None:
    """AWS deletes no policy that has other versions than the default one."""
    name = policy["policyName"]
    for version in iot.list_policy_versions(policyName=name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            iot.delete_policy_version(policyName=name, policyVersionId=version["versionId"])
    for target in iot.list_targets_for_policy(policyName=name)["targets"]:
        certificate = target.partition(":cert/")[2]
        iot.update_certificate(certificateId=certificate, newStatus="INACTIVE")
        iot.delete_certificate(certificateId=certificate, forceDelete=True)
    iot.delete_policy(policyName=name)


def _remove_authorizer(iot: Any, authorizer: Any) -> None:
    name = authorizer["authorizerName"]
    iot.update_authorizer(authorizerName=name, status="INACTIVE")
    iot.delete_authorizer(authorizerName=name)


def _remove_thing_type(iot: Any, thing_type: Any) -> None:
    """An emulator deletes it at once, AWS five minutes after it was deprecated."""
    name = thing_type["thingTypeName"]
    iot.deprecate_thing_type(thingTypeName=name)
    iot.delete_thing_type(thingTypeName=name)


def _remove_key(kms: Any, alias: Any) -> None:
    kms.delete_alias(AliasName=alias["AliasName"])
    kms.schedule_key_deletion(KeyId=alias["TargetKeyId"], PendingWindowInDays=7)


def _remove_layer(functions: Any, layer: Any) -> None:
    name = layer["LayerName"]
    for version in _all(functions, "list_layer_versions", "LayerVersions", LayerName=name):
        functions.delete_layer_version(LayerName=name, VersionNumber=version["Version"])


KINDS: Final = {
    # What names another one comes before it.
    "aws_lambda_event_source_mapping": Kind(
        "lambda",
        ("list_event_source_mappings", "EventSourceMappings"),
        lambda each: str(each["FunctionArn"].rpartition(":")[2]),
        lambda client, each: client.delete_event_source_mapping(UUID=each["UUID"]),
    ),
    "aws_lambda_function": Kind(
        "lambda",
        ("list_functions", "Functions"),
        lambda each: str(each["FunctionName"]),
        lambda client, each: client.delete_function(FunctionName=each["FunctionName"]),
    ),
    "aws_lambda_layer_version": Kind(
        "lambda", ("list_layers", "Layers"), lambda each: str(each["LayerName"]), _remove_layer
    ),
    "aws_iot_topic_rule": Kind(
        "iot",
        ("list_topic_rules", "rules"),
        lambda each: str(each["ruleName"]),
        lambda client, each: client.delete_topic_rule(ruleName=each["ruleName"]),
    ),
    "aws_iot_authorizer": Kind(
        "iot", ("list_authorizers", "authorizers"), lambda each: str(each["authorizerName"]), _remove_authorizer
    ),
    "aws_iot_policy": Kind("iot", ("list_policies", "policies"), lambda each: str(each["policyName"]), _remove_policy),
    "aws_iot_provisioning_template": Kind(
        "iot",
        ("list_provisioning_templates", "templates"),
        lambda each: str(each["templateName"]),
        lambda client, each: client.delete_provisioning_template(templateName=each["templateName"]),
    ),
    "aws_iot_thing_group": Kind(
        "iot",
        ("list_thing_groups", "thingGroups"),
        lambda each: str(each["groupName"]),
        lambda client, each: client.delete_thing_group(thingGroupName=each["groupName"]),
    ),
    "aws_iot_thing_type": Kind(
        "iot", ("list_thing_types", "thingTypes"), lambda each: str(each["thingTypeName"]), _remove_thing_type
    ),
    "aws_scheduler_schedule": Kind(
        "scheduler",
        ("list_schedules", "Schedules"),
        lambda each: str(each["Name"]),
        lambda client, each: client.delete_schedule(Name=each["Name"], GroupName=each["GroupName"]),
    ),
    "aws_cloudwatch_metric_alarm": Kind(
        "cloudwatch",
        ("describe_alarms", "MetricAlarms"),
        lambda each: str(each["AlarmName"]),
        lambda client, each: client.delete_alarms(AlarmNames=[each["AlarmName"]]),
    ),
    "aws_cloudwatch_dashboard": Kind(
        "cloudwatch",
        ("list_dashboards", "DashboardEntries"),
        lambda each: str(each["DashboardName"]),
        lambda client, each: client.delete_dashboards(DashboardNames=[each["DashboardName"]]),
    ),
    "aws_sns_topic": Kind(
        "sns",
        ("list_topics", "Topics"),
        lambda each: str(each["TopicArn"].rpartition(":")[2]),
        lambda client, each: client.delete_topic(TopicArn=each["TopicArn"]),
    ),
    "aws_kms_alias": Kind("kms", ("list_aliases", "Aliases"), lambda each: str(each["AliasName"]), _remove_key),
    "aws_dynamodb_table": Kind(
        "dynamodb",
        ("list_tables", "TableNames"),
        str,
        lambda client, each: client.delete_table(TableName=each),
    ),
    "aws_cloudformation_stack": Kind(
        "cloudformation",
        ("describe_stacks", "Stacks"),
        lambda each: str(each["StackName"]),
        lambda client, each: client.delete_stack(StackName=each["StackName"]),
    ),
    "aws_iam_role": Kind("iam", ("list_roles", "Roles"), lambda each: str(each["RoleName"]), _remove_role),
    "aws_secretsmanager_secret": Kind(
        "secretsmanager",
        ("list_secrets", "SecretList"),
        lambda each: str(each["Name"]),
        lambda client, each: client.delete_secret(SecretId=each["Name"], ForceDeleteWithoutRecovery=True),
    ),
    "aws_cloudwatch_log_group": Kind(
        "logs",
        ("describe_log_groups", "logGroups"),
        lambda each: str(each["logGroupName"]),
        lambda client, each: client.delete_log_group(logGroupName=each["logGroupName"]),
    ),
    "aws_ssm_parameter": Kind(
        "ssm",
        ("describe_parameters", "Parameters"),
        lambda each: str(each["Name"]),
        lambda client, each: client.delete_parameter(Name=each["Name"]),
    ),
    "aws_sqs_queue": Kind(
        "sqs",
        ("list_queues", "QueueUrls"),
        lambda each: Path(each).name,
        lambda client, each: client.delete_queue(QueueUrl=each),
    ),
}
"""Everything that a stack creates, by Terraform's type, in the order of removal."""

REMOVED_WITH_ANOTHER: Final = {
    "aws_iam_role_policy",
    "aws_kms_key",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_function_recursion_config",
    "aws_lambda_function_url",
    "aws_lambda_invocation",
    "aws_lambda_permission",
    "aws_secretsmanager_secret_version",
    "aws_sns_topic_policy",
    "aws_sns_topic_subscription",
}
OF_CONFIGURE: Final = {"aws_iot_authorizer"}
"""What the function configure creates instead of Terraform."""
LEFT_ON_PURPOSE: Final = {"aws_iot_indexing_configuration"}


def apply(stack: Stack, aws: LocalAws, on_progress: OnProgress | None = None) -> float:
    """Apply a stack for the first time; on an emulator that was not started here, once more if a response was lost.

    Returns the seconds of the apply. Raises TerraformError for any other failure, and for a second one.
    """
    try:
        return stack.apply(on_progress)
    except TerraformError as error:
        if aws.process or not retried(error):
            raise
    stack.destroy()
    for _, remove in left_behind(aws, str(stack.inputs["stack_name"])):
        remove()
    return stack.apply(on_progress)


def retried(error: TerraformError) -> bool:
    """Whether something was created twice, because the response to the first request was lost."""
    return any(symptom in each for each in error.errors for symptom in _RETRIED)


def left_behind(aws: Aws, stack_name: str) -> list[tuple[str, Callable[[], Any]]]:
    """The existing resources with names of the stack: each name, and what removes it."""
    return [(each.name, each.remove) for each in resources(aws, stack_name)]


def resources(aws: Aws, stack_name: str) -> Iterator[Resource]:
    """The existing resources with names of the stack, in the order of removal.

    None of another stack whose name begins like this one's: its log of things shows that it exists.
    """
    others = [other for other in _stacks(aws) if other.startswith(f"{stack_name}-")]
    for type_, kind in KINDS.items():
        client = aws.client(kind.service)
        named = sorted(((kind.name(each), each) for each in _all(client, *kind.listing)), key=lambda pair: pair[0])
        # Backwards: the parent of thing groups, <stack>:devices, comes before its children.
        for name, each in reversed(named):
            if is_of(name, stack_name) and not any(is_of(name, other) for other in others):
                yield Resource(type_, name, client, each)


def is_of(name: str, stack_name: str) -> bool:
    """Whether a name can be derived from that of a stack."""
    # A topic rule, and so its role, has "_" in the place of "-".
    rule = stack_name.replace("-", "_")
    starts = (*(f"{stack_name}{mark}" for mark in "-_/:"), f"{rule}_", f"alias/{stack_name}-")
    return name.startswith((*starts, f"/thethings/lorawan/{stack_name}/", f"/aws/lambda/{stack_name}-"))


def _stacks(aws: Aws) -> list[str]:
    """The stacks that have a log of things."""
    groups = _all(aws.client("logs"), "describe_log_groups", "logGroups")
    paths = [group["logGroupName"].split("/") for group in groups]
    return [path[3] for path in paths if path[:3] == ["", "thethings", "lorawan"] and len(path) == 5]


def _all(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    """What a listing has on all of its pages."""
    return [each for page in client.get_paginator(operation).paginate(**arguments) for each in page.get(key, [])]
