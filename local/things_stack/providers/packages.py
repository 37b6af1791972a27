"""The settings of the application package `aws-iot`. Which packages a deployment has is in `profiles`.

What is known of `aws-iot` is that it assumes a role and publishes to AWS IoT, like the provider `aws_iot`. The names of
the fields of its `data` are not public; those here are the simulation's own, and no others are accepted.
"""

from __future__ import annotations

from local.things_stack.description import errors, schema
from local.things_stack.description.messages import AWS_IOT
from local.things_stack.description.proto3_json import Json
from local.things_stack.description.schema import Message, Problem

DATA: Message = {
    "region": AWS_IOT["region"],
    "stack_name": AWS_IOT["default"]["stack_name"],
    "role_arn": AWS_IOT["assume_role"]["arn"],
    "external_id": AWS_IOT["assume_role"]["external_id"],
}
_REQUIRED = ("region", "stack_name", "role_arn")


def check(data: Json) -> None:
    """ApiError when `data` is not valid for `aws-iot`."""
    problems: list[Problem] = []
    schema.read(data, DATA, "default.data", problems)
    if problems:
        raise errors.validation(problems[0].where, problems[0].reason)
    for name in _REQUIRED:
        if name not in data:
            raise errors.validation(f"default.data.{name}", "value is required")


def as_pubsub(data: Json) -> Json:
    """The settings of the provider `aws_iot` for the package's data."""
    role = {"arn": data["role_arn"], **({"external_id": data["external_id"]} if "external_id" in data else {})}
    return {"region": data["region"], "assume_role": role, "default": {"stack_name": data["stack_name"]}}
