"""Application packages: which ones the deployment has, and the default associations of an application with them.

Setting an association with `aws-iot` starts its provider, deleting it stops the provider.
"""

from __future__ import annotations

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import field_masks
from local.things_stack.description.proto3_json import Json
from local.things_stack.profiles import AWS_IOT_PACKAGE
from local.things_stack.providers import packages


def list_packages(call: Call) -> Json:
    """The same for every device, registered or not, as the Stack answers."""
    return {"packages": [{"name": name, "default_f_port": port} for name, port in call.cluster.packages.items()]}


def set_association(call: Call) -> Json:
    """Accepts any package, even one that the deployment does not have: the association then has no effect, as in the
    Stack."""
    at = call.application_id, call.path["f_port"]
    sent, associations = call.body.get("default", {}), call.cluster.servers.application.associations
    has_aws_iot = AWS_IOT_PACKAGE in call.cluster.packages
    if has_aws_iot and sent.get("package_name") == AWS_IOT_PACKAGE and "data" in call.mask:
        packages.check(sent.get("data", {}))
    ids = {"application_ids": {"application_id": at[0]}, "f_port": int(at[1])}
    answer = records.write(associations, at, sent, call.mask, ids)
    call.cluster.integrations.stop("package", *at)
    if has_aws_iot and associations[at].get("package_name") == AWS_IOT_PACKAGE and "data" in associations[at]:
        call.cluster.integrations.start("package", *at, {"aws_iot": packages.as_pubsub(associations[at]["data"])})
    return answer


def get_association(call: Call) -> Json:
    """The answer has the package's name even when the field mask does not."""
    at = call.application_id, call.path["f_port"]
    record = records.find(call.cluster.servers.application.associations, at)
    return field_masks.select(record, [*call.mask, "package_name"])


def delete_association(call: Call) -> Json:
    """Idempotent, as in the Stack: what does not exist is deleted."""
    at = call.application_id, call.path["f_port"]
    call.cluster.integrations.stop("package", *at)
    call.cluster.servers.application.associations.pop(at, None)
    return {}


HANDLERS: dict[str, Handler] = {
    "ApplicationPackageRegistry_List": list_packages,
    "ApplicationPackageRegistry_SetDefaultAssociation": set_association,
    "ApplicationPackageRegistry_GetDefaultAssociation": get_association,
    "ApplicationPackageRegistry_DeleteDefaultAssociation": delete_association,
}
