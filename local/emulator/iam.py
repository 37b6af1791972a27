"""What IAM checks of a request, where ministack finds another action or no resource than AWS (its service authorization
reference): otherwise a policy that suffices on AWS would not suffice here, or one that suffices here would not on AWS.

Whether a call is allowed is ministack's decision. `launcher` puts this into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

NAMED_BY = {
    "cloudwatch:DeleteAlarms": ("AlarmNames", "cloudwatch:{region}:{account}:alarm:"),
    "cloudwatch:DeleteDashboards": ("DashboardNames", "cloudwatch::{account}:dashboard/"),
    "cloudwatch:DescribeAlarms": ("AlarmNames", "cloudwatch:{region}:{account}:alarm:"),
    "cloudwatch:GetDashboard": ("DashboardName", "cloudwatch::{account}:dashboard/"),
    "cloudwatch:ListTagsForResource": ("ResourceARN", ""),
    "cloudwatch:PutDashboard": ("DashboardName", "cloudwatch::{account}:dashboard/"),
    "dynamodb:ListTagsOfResource": ("ResourceArn", ""),
    "iot:AttachPolicy": ("target", ""),
    "iot:CreateProvisioningTemplate": ("templateName", "iot:{region}:{account}:provisioningtemplate/"),
    "kms:CreateAlias": ("AliasName", "kms:{region}:{account}:"),
    "kms:DeleteAlias": ("AliasName", "kms:{region}:{account}:"),
    "kms:UpdateAlias": ("AliasName", "kms:{region}:{account}:"),
    "lambda:CreateFunction": ("FunctionName", "lambda:{region}:{account}:function:"),
    "sns:ListTagsForResource": ("ResourceArn", ""),
}
"""Action → the parameter with the name of its resource, and what comes before that name in the ARN."""

IN_THE_PATH = {"authorizer": "authorizer", "policy-targets": "policy"}
"""First part of a path of AWS IoT, which a name follows → the type of the resource."""

OF_STREAMS = ("GetLogEvents", "PutLogEvents")
"""Operations of CloudWatch Logs that are checked on the log stream."""

RENAMED = {"Invoke": "InvokeFunction"}
"""Operation of Lambda → its action, where they differ."""


def resource(action: str | None, path: str, body: bytes, parameters: Any, region: str, account: str) -> str:
    """The resource of a request for which ministack has found none, or "*"."""
    collection, _, name = path.strip("/").partition("/")
    if (action or "").startswith("iot:") and collection in IN_THE_PATH and name:
        return f"arn:aws:iot:{region}:{account}:{IN_THE_PATH[collection]}/{name.partition('/')[0]}"
    if action not in NAMED_BY:
        return "*"
    parameter, before = NAMED_BY[action]
    value = named(parameter, body, parameters) or "*"
    return f"arn:aws:{before.format(region=region, account=account)}{value}" if before else value


def narrower(found: str, headers: Any, body: bytes) -> str:
    """The resource of a request for which ministack has found this one."""
    operation = str(headers.get("x-amz-target", "")).rpartition(".")[2]
    if ":log-group:" in found and operation in OF_STREAMS:
        return f"{found}:log-stream:{named('logStreamName', body, {})}"
    if found.startswith("arn:aws:kms:") and ":alias/" in found and not operation.endswith("Alias"):
        # Keys of AWS are found by their aliases, and checked by their IDs, of which ministack has none.
        return found.replace(":alias/", ":key/of-alias/")
    return found


def named(parameter: str, body: bytes, parameters: Any) -> str:
    """The value of a parameter, or the first of its values, in the JSON or the form of a request; empty without one."""
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = {}
    found = given.get(parameter) if isinstance(given, dict) else None
    for key in (parameter, f"{parameter}.member.1"):
        found = found or parameters.get(key)
    return str(found[0] if isinstance(found, list) else found or "")


def use_operations_of_lambda(iam_actions: Any, original: Callable[..., Any]) -> Callable[[str, str], str | None]:
    """Actions of Lambda by the operations of its API. ministack takes GetLayerVersion for ListLayers, for example."""
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]

    def lambda_action(method: str, path: str) -> str | None:
        operation = iam_actions._match_rest_action("lambda", method, path)
        return RENAMED.get(operation, operation) or original(method, path)

    return lambda_action
