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
        if not retried(error):
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


def retried(error: TerraformError) -> bool:
    """Whether something was created twice, because the response to the first request did not arrive."""
    return any(symptom in each for each in error.errors for symptom in _RETRIED)


def left_behind(aws: LocalAws, stack_name: str) -> list[tuple[str, Callable[[], Any]]]:
    """The existing resources with names of the stack: each name, and what removes it."""
    starts = (f"{stack_name}-", f"{stack_name}_", f"{stack_name}/")
    starts = (*starts, f"/thethings/lorawan/{stack_name}/", f"/aws/lambda/{stack_name}-", f"alias/{stack_name}-")
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
    found += _observability(aws)
    for url in _all(sqs, "list_queues", "QueueUrls"):
        found.append((Path(url).name, lambda url=url: sqs.delete_queue(QueueUrl=url)))
    return [(name, remove) for name, remove in found if name.startswith(starts)]


def _observability(aws: LocalAws) -> list[tuple[str, Callable[[], Any]]]:
    """Alarms, dashboards, topics of Amazon SNS, and keys by their alias, of every stack."""
    cloudwatch, sns, kms = aws.client("cloudwatch"), aws.client("sns"), aws.client("kms")
    found: list[tuple[str, Callable[[], Any]]] = []
    for each in _all(cloudwatch, "describe_alarms", "MetricAlarms"):
        name = each["AlarmName"]
        found.append((name, lambda name=name: cloudwatch.delete_alarms(AlarmNames=[name])))
    for each in _all(cloudwatch, "list_dashboards", "DashboardEntries"):
        name = each["DashboardName"]
        found.append((name, lambda name=name: cloudwatch.delete_dashboards(DashboardNames=[name])))
    for each in _all(sns, "list_topics", "Topics"):
        arn = each["TopicArn"]
        found.append((arn.rpartition(":")[2], lambda arn=arn: sns.delete_topic(TopicArn=arn)))
    for each in _all(kms, "list_aliases", "Aliases"):
        found.append((each["AliasName"], lambda each=each: _remove_key(kms, each["AliasName"], each["TargetKeyId"])))
    return found


def _all(client: Any, operation: str, key: str) -> list[Any]:
    """What a listing has on all of its pages."""
    return [each for page in client.get_paginator(operation).paginate() for each in page.get(key, [])]


def _remove_role(iam: Any, name: str) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _remove_key(kms: Any, alias: str, key: str) -> None:
    kms.delete_alias(AliasName=alias)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


def _remove_policy(iot: Any, name: str) -> None:
    for target in iot.list_targets_for_policy(policyName=name)["targets"]:
        certificate = target.partition(":cert/")[2]
        iot.update_certificate(certificateId=certificate, newStatus="INACTIVE")
        iot.delete_certificate(certificateId=certificate, forceDelete=True)
    iot.delete_policy(policyName=name)
