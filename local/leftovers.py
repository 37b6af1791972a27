"""What an apply created without recording it: an emulator under load drops a response now and then, the provider
retries, and the retry fails because the resource exists. AWS does not do so; on an emulator the fix is to clean up and
apply again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.aws import LocalAws
from local.stack import OnProgress, Stack, TerraformError

_RETRIED = ("already exists", "StatusCode: 409", "ResourceConflict", "EntityAlreadyExists")


def apply(stack: Stack, aws: LocalAws, on_progress: OnProgress | None = None) -> float:
    """Apply a stack for the first time, and from scratch once more when the emulator dropped a response.

    Returns the seconds of the apply. Raises TerraformError for any other failure, and for a second one.
    """
    try:
        return stack.apply(on_progress)
    except TerraformError as error:
        if not any(symptom in str(error) for symptom in _RETRIED):
            raise
    stack.destroy()
    for _, remove in left_behind(aws, str(stack.inputs["stack_name"])):
        remove()
    return stack.apply(on_progress)


def apply_where_it_is(stack: Stack, aws: LocalAws, on_progress: OnProgress | None = None) -> float:
    """Apply a stack that may be in use: from scratch only until it was applied once, in an AWS that was started here.

    Returns the seconds of the apply. Raises TerraformError.
    """
    if aws.process and not stack.was_applied:
        return apply(stack, aws, on_progress)
    return stack.apply(on_progress)


def left_behind(aws: LocalAws, stack_name: str) -> list[tuple[str, Callable[[], Any]]]:
    """The existing resources with names of the stack: each name, and what removes it."""
    starts = (f"{stack_name}-", f"{stack_name}_", f"{stack_name}/")
    starts = (*starts, f"/thethings/lorawan/{stack_name}/", f"/aws/lambda/{stack_name}-")
    functions, logs, sqs = aws.client("lambda"), aws.client("logs"), aws.client("sqs")
    iam, iot, secrets = aws.client("iam"), aws.client("iot"), aws.client("secretsmanager")
    stacks, parameters = aws.client("cloudformation"), aws.client("ssm")
    tables = aws.client("dynamodb")

    found: list[tuple[str, Callable[[], Any]]] = []
    for each in _all(functions, "list_functions", "Functions"):
        name = each["FunctionName"]
        found.append((name, lambda name=name: functions.delete_function(FunctionName=name)))
    for each in _all(iot, "list_topic_rules", "rules"):
        name = each["ruleName"]
        found.append((name, lambda name=name: iot.delete_topic_rule(ruleName=name)))
    for each in _all(iot, "list_policies", "policies"):
        name = each["policyName"]
        found.append((name, lambda name=name: _remove_policy(iot, name)))
    for each in _all(iot, "list_provisioning_templates", "templates"):
        name = each["templateName"]
        found.append((name, lambda name=name: iot.delete_provisioning_template(templateName=name)))
    for name in _all(tables, "list_tables", "TableNames"):
        found.append((name, lambda name=name: tables.delete_table(TableName=name)))
    for each in _all(stacks, "describe_stacks", "Stacks"):
        name = each["StackName"]
        found.append((name, lambda name=name: stacks.delete_stack(StackName=name)))
    for each in _all(iam, "list_roles", "Roles"):
        name = each["RoleName"]
        found.append((name, lambda name=name: _remove_role(iam, name)))
    for each in _all(secrets, "list_secrets", "SecretList"):
        name = each["Name"]
        found.append((name, lambda name=name: secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)))
    for each in _all(logs, "describe_log_groups", "logGroups"):
        name = each["logGroupName"]
        found.append((name, lambda name=name: logs.delete_log_group(logGroupName=name)))
    for each in _all(parameters, "describe_parameters", "Parameters"):
        name = each["Name"]
        found.append((name, lambda name=name: parameters.delete_parameter(Name=name)))
    for url in _all(sqs, "list_queues", "QueueUrls"):
        found.append((Path(url).name, lambda url=url: sqs.delete_queue(QueueUrl=url)))
    return [(name, remove) for name, remove in found if name.startswith(starts)]


def _all(client: Any, operation: str, key: str) -> list[Any]:
    """What a listing has on all of its pages."""
    return [each for page in client.get_paginator(operation).paginate() for each in page.get(key, [])]


def _remove_role(iam: Any, name: str) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _remove_policy(iot: Any, name: str) -> None:
    for target in iot.list_targets_for_policy(policyName=name)["targets"]:
        certificate = target.partition(":cert/")[2]
        iot.update_certificate(certificateId=certificate, newStatus="INACTIVE")
        iot.delete_certificate(certificateId=certificate, forceDelete=True)
    iot.delete_policy(policyName=name)
