"""What a run on an account may remove: what is proven to be its own. The rest stays, and is named with the reason.

A proof has three parts, each of which must hold as far as AWS has it for a kind of resource: a name derived from the
stack of that very run, the tag of the run, and a creation no earlier than the run. Things have no tag: theirs is the
attribute `stackName`, and the number of the run is in it. What is account-wide (registry events, the fleet index) is
nobody's own.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from local import leftovers
from local.leftovers import Aws, Resource
from thingbridge.shadow.state import SHADOW_NAME

TAG: Final = "thingbridge-e2e"
CLOCKS_DIFFER_BY: Final = 300.0
"""Seconds, at most, between this machine's clock and AWS's."""
RELEASED_WITHIN: Final = 420.0
"""Seconds within which AWS deletes what it has to release first: five minutes, and a little."""
RELEASED: Final = {"aws_iot_policy": "DeleteConflictException", "aws_iot_thing_type": "InvalidRequestException"}
"""What is deleted only some minutes after it was detached or deprecated, and the code of the refusal until then."""
GONE: Final = frozenset(
    {
        *("AWS.SimpleQueueService.NonExistentQueue", "NoSuchEntity", "NotFound", "NotFoundException"),
        *("ParameterNotFound", "QueueDoesNotExist", "ResourceNotFound", "ResourceNotFoundException"),
    }
)
"""Codes of errors about what does not exist: lists may be a minute old."""

Read = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Proof:
    """How the tags of a listed resource are read, and when it was created or, at the latest, changed; each gets the
    client and the entry of the list. `tags` None: nothing that creates such a resource can tag it."""

    tags: Read | None
    since: Read | None


def _of_function(client: Any, each: Any) -> Any:
    return client.list_tags(Resource=each["FunctionArn"])["Tags"]


def _of_iot(name: str) -> Read:
    return lambda client, each: client.list_tags_for_resource(resourceArn=each[name])["tags"]


def _of_table(client: Any, name: str) -> Any:
    arn = client.describe_table(TableName=name)["Table"]["TableArn"]
    return client.list_tags_of_resource(ResourceArn=arn)["Tags"]


def _of_log_group(client: Any, each: Any) -> Any:
    return client.list_tags_for_resource(resourceArn=each["arn"].removesuffix(":*"))["tags"]


def _of_parameter(client: Any, each: Any) -> Any:
    return client.list_tags_for_resource(ResourceType="Parameter", ResourceId=each["Name"])["TagList"]


def _queue_created(client: Any, url: str) -> float:
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["CreatedTimestamp"])
    return float(answer["Attributes"]["CreatedTimestamp"])


def _group_created(client: Any, each: Any) -> Any:
    described = client.describe_thing_group(thingGroupName=each["groupName"])
    return described["thingGroupMetadata"]["creationDate"]


def _authorizer_created(client: Any, each: Any) -> Any:
    described = client.describe_authorizer(authorizerName=each["authorizerName"])
    return described["authorizerDescription"]["creationDate"]


PROOFS: Final[Mapping[str, Proof]] = {
    "aws_cloudformation_stack": Proof(lambda _, each: each.get("Tags", []), lambda _, each: each["CreationTime"]),
    "aws_cloudwatch_dashboard": Proof(None, lambda _, each: each["LastModified"]),
    "aws_cloudwatch_log_group": Proof(_of_log_group, lambda _, each: each["creationTime"] / 1000),
    "aws_cloudwatch_metric_alarm": Proof(
        lambda client, each: client.list_tags_for_resource(ResourceARN=each["AlarmArn"])["Tags"], None
    ),
    "aws_dynamodb_table": Proof(
        _of_table, lambda client, name: client.describe_table(TableName=name)["Table"]["CreationDateTime"]
    ),
    "aws_iam_role": Proof(
        lambda client, each: client.list_role_tags(RoleName=each["RoleName"])["Tags"],
        lambda _, each: each["CreateDate"],
    ),
    "aws_iot_authorizer": Proof(None, _authorizer_created),
    "aws_iot_policy": Proof(
        _of_iot("policyArn"),
        lambda client, each: client.get_policy(policyName=each["policyName"])["creationDate"],
    ),
    "aws_iot_provisioning_template": Proof(_of_iot("templateArn"), lambda _, each: each["creationDate"]),
    "aws_iot_thing_group": Proof(_of_iot("groupArn"), _group_created),
    "aws_iot_thing_type": Proof(None, lambda _, each: each["thingTypeMetadata"]["creationDate"]),
    "aws_iot_topic_rule": Proof(_of_iot("ruleArn"), lambda _, each: each["createdAt"]),
    "aws_kms_alias": Proof(
        lambda client, each: client.list_resource_tags(KeyId=each["TargetKeyId"])["Tags"],
        lambda client, each: client.describe_key(KeyId=each["TargetKeyId"])["KeyMetadata"]["CreationDate"],
    ),
    "aws_lambda_event_source_mapping": Proof(None, lambda _, each: each["LastModified"]),
    "aws_lambda_function": Proof(_of_function, lambda _, each: each["LastModified"]),
    "aws_lambda_layer_version": Proof(None, lambda _, each: each["LatestMatchingVersion"]["CreatedDate"]),
    "aws_scheduler_schedule": Proof(None, lambda _, each: each["CreationDate"]),
    "aws_secretsmanager_secret": Proof(lambda _, each: each.get("Tags", []), lambda _, each: each["CreatedDate"]),
    "aws_sns_topic": Proof(
        lambda client, each: client.list_tags_for_resource(ResourceArn=each["TopicArn"])["Tags"], None
    ),
    "aws_sqs_queue": Proof(lambda client, url: client.list_queue_tags(QueueUrl=url).get("Tags", {}), _queue_created),
    "aws_ssm_parameter": Proof(_of_parameter, lambda _, each: each["LastModifiedDate"]),
}
"""By Terraform's type, for all that a stack creates."""


@dataclass(frozen=True)
class Found:
    """What has a name of the run's stack. `why_not`: why it is not proven to be the run's own; "" if it is."""

    what: str
    why_not: str
    remove: Callable[[], object]


def found(aws: Aws, stack_name: str, run: str, started: float) -> list[Found]:
    """What exists of a run, in the order of removal: things first, since a type with things can't be deleted."""
    of_names = [
        Found(f"{each.type} {each.name}", why_not, lambda each=each: remove_released(each))
        for each in leftovers.resources(aws, stack_name)
        if (why_not := _why_not(each, run, started)) is not None
    ]
    return [*_things(aws, stack_name), *of_names]


def remove(own: Iterable[Found]) -> list[str]:
    """Remove what is the run's own. Returns what could not be removed, with the reason."""
    failed = []
    for each in own:
        if each.why_not:
            continue
        try:
            each.remove()
        except ClientError as error:
            failed.append(f"{each.what}: {error}")
    return failed


def _things(aws: Aws, stack_name: str) -> list[Found]:
    iot = aws.client("iot")
    pages = iot.get_paginator("list_things").paginate(attributeName="stackName", attributeValue=stack_name)
    names = [each["thingName"] for page in pages for each in page["things"]]
    return [Found(f"thing {name}", "", lambda name=name: _remove_thing(aws, name)) for name in names]


def _remove_thing(aws: Aws, name: str) -> None:
    """A shadow outlives its thing."""
    try:
        aws.client("iot-data").delete_thing_shadow(thingName=name, shadowName=SHADOW_NAME)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
    aws.client("iot").delete_thing(thingName=name)


def remove_released(each: Resource, sleep: Callable[[float], None] = time.sleep) -> None:
    """Remove it, once AWS has released it; what is gone counts as removed."""
    deadline, remove = time.monotonic() + RELEASED_WITHIN, each.remove
    while True:
        try:
            remove()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in GONE:
                return
            if RELEASED.get(each.type) != code or time.monotonic() > deadline:
                raise
            if each.type == "aws_iot_thing_type":
                # Not deprecated again, which might begin the time anew.
                remove = functools.partial(each.client.delete_thing_type, thingTypeName=each.name)
            sleep(10)
        else:
            return


def _why_not(each: Resource, run: str, started: float) -> str | None:
    """Why a resource is not the run's own, "" if it is; None if it has gone since it was listed."""
    try:
        return _lacks(each, PROOFS[each.type], run, started)
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            return None
        raise


def _lacks(each: Resource, proof: Proof, run: str, started: float) -> str:
    if proof.tags and (tag := _tags(proof.tags(each.client, each.each)).get(TAG)) != run:
        return f"its tag {TAG} is {tag}" if tag else f"it has no tag {TAG}"
    since = _seconds(proof.since(each.client, each.each)) if proof.since else started
    if since < started - CLOCKS_DIFFER_BY:
        return f"it is older than the run: {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    return ""


def _tags(answer: Any) -> dict[str, str]:
    """Tags in each of AWS's spellings, as name → value."""
    if isinstance(answer, Mapping):
        return dict(answer)
    return {
        next(each[name] for name in ("Key", "key", "TagKey") if name in each): next(
            each[name] for name in ("Value", "value", "TagValue") if name in each
        )
        for each in answer
    }


def _seconds(since: Any) -> float:
    """A time in each of AWS's spellings, in seconds since 1970."""
    if isinstance(since, int | float):
        return float(since)
    if isinstance(since, str):
        since = datetime.fromisoformat(since)
    return float(since.timestamp())
