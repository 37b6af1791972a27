"""Application packages: which a deployment has, which an application has associated by default, and what they do.

Of `aws-iot` only is known what it does: it assumes a role and publishes to AWS IoT like the provider `aws_iot`. The
names of its `data` are not public; those here are the simulation's own, and it takes no others.
"""

from __future__ import annotations

from typing import Any

from local.things_stack import errors, masks, schema
from local.things_stack.application_settings import _found, _set
from local.things_stack.calls import Call, Handler
from local.things_stack.description import AWS_IOT
from local.things_stack.schema import Message, Problem

Json = dict[str, Any]
AWS_IOT_PACKAGE = "aws-iot"
HOSTED = {"alcsync-v1": 202, AWS_IOT_PACKAGE: 198, "lora-cloud-geolocation-v3": 197, "storage-integration": 200}
"""Package → its FPort, on a hosted deployment. One of open source has no `aws-iot` and no `storage-integration`."""

DATA: Message = {
    "region": AWS_IOT["region"],
    "stack_name": AWS_IOT["default"]["stack_name"],
    "role_arn": AWS_IOT["assume_role"]["arn"],
    "external_id": AWS_IOT["assume_role"]["external_id"],
}
_REQUIRED = ("region", "stack_name", "role_arn")


def list_packages(call: Call) -> Json:
    """The same for every device, registered or not, as the Stack answers."""
    return {"packages": [{"name": name, "default_f_port": port} for name, port in call.simulation.packages.items()]}


def set_association(call: Call) -> Json:
    """Any package may be associated, one that the deployment lacks too: nothing happens then, as in the Stack."""
    at = call.application_id, call.path["f_port"]
    sent, records = call.body.get("default", {}), call.simulation.servers.application.associations
    if sent.get("package_name") == AWS_IOT_PACKAGE and "data" in call.mask:
        _check(sent.get("data", {}))
    ids = {"application_ids": {"application_id": at[0]}, "f_port": int(at[1])}
    answer = _set(call, records, at, sent, ids)
    call.simulation.integrations.stop("package", *at)
    runs = records[at].get("package_name") == AWS_IOT_PACKAGE and AWS_IOT_PACKAGE in call.simulation.packages
    if runs and "data" in records[at]:
        call.simulation.integrations.start("package", *at, {"aws_iot": as_pubsub(records[at]["data"])})
    return answer


def get_association(call: Call) -> Json:
    """The package's name comes whether it is asked for or not."""
    at = call.application_id, call.path["f_port"]
    record = _found(call.simulation.servers.application.associations, at)
    return masks.shown(record, [*call.mask, "package_name"])


def delete_association(call: Call) -> Json:
    at = call.application_id, call.path["f_port"]
    _found(call.simulation.servers.application.associations, at)
    call.simulation.integrations.stop("package", *at)
    del call.simulation.servers.application.associations[at]
    return {}


def as_pubsub(data: Json) -> Json:
    """The package's data as the provider `aws_iot` has it."""
    role = {"arn": data["role_arn"], **({"external_id": data["external_id"]} if "external_id" in data else {})}
    return {"region": data["region"], "assume_role": role, "default": {"stack_name": data["stack_name"]}}


def _check(data: Json) -> None:
    problems: list[Problem] = []
    schema.read(data, DATA, "default.data", problems)
    if problems:
        raise errors.validation(problems[0].where, problems[0].reason)
    for name in _REQUIRED:
        if name not in data:
            raise errors.validation(f"default.data.{name}", "value is required")


HANDLERS: dict[str, Handler] = {
    "ApplicationPackageRegistry_List": list_packages,
    "ApplicationPackageRegistry_SetDefaultAssociation": set_association,
    "ApplicationPackageRegistry_GetDefaultAssociation": get_association,
    "ApplicationPackageRegistry_DeleteDefaultAssociation": delete_association,
}
