"""Mode `package`: the application package `aws-iot` of the hosted The Things Stack, associated by default on an FPort.

The package is not part of the open source. Its documentation lists region, stack name and role ARN, but not the names
of these fields in the association's `data`; the user's map defines them (`ingest.package.data_fields`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from thingbridge.errors import Misconfigured
from thingbridge.flows.findings import CONFIGURE_AGAIN, Finding
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.things_stack.client import ThingsStack

PACKAGE: Final = "aws-iot"
RIGHTS: Final = {"RIGHT_APPLICATION_SETTINGS_PACKAGES": "View and edit application packages and associations"}


def configure(
    things_stack: ThingsStack, integration: Integration, _previous: Integration | None, _account: Account
) -> None:
    """Associate the package. `settings`: `f_port`, `data_fields` (value → field name), `role_arn`, `external_id`.

    Raises Misconfigured if the deployment has no such package, or if the FPort is associated with another one.
    """
    available = things_stack.packages.names()
    if available is not None and PACKAGE not in available:
        raise Misconfigured(
            f"{things_stack.cluster_host} has no application package {PACKAGE} (it has: "
            f'{", ".join(sorted(available)) or "none"}): choose another ingest.mode, "webhook" works everywhere'
        )
    f_port = int(integration.settings["f_port"])
    held = things_stack.packages.default_association(f_port)
    if held and not _ours(held, integration):
        raise Misconfigured(
            f"FPort {f_port} of the application {things_stack.application_id} is associated with "
            f"{_holder(held)}: remove that association in the Console (Integrations), or choose another "
            f"ingest.package.f_port"
        )
    things_stack.packages.set_default_association(f_port, PACKAGE, _data(integration))


def examine(things_stack: ThingsStack, integration: Integration, _account: Account) -> Iterator[Finding]:
    """The association: whether the FPort has it, with the role of this stack."""
    f_port = int(integration.settings["f_port"])
    what = f"package {PACKAGE} on FPort {f_port}"
    held = things_stack.packages.default_association(f_port)
    if held is None:
        yield Finding(what, "it is not associated", CONFIGURE_AGAIN)
    elif not _ours(held, integration):
        yield Finding(what, f"the FPort is associated with {_holder(held)}", CONFIGURE_AGAIN)
    else:
        yield Finding(what, "it is associated, with the role of this stack")


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove the association unless another one has taken its place."""
    f_port = int(integration.settings["f_port"])
    held = things_stack.packages.default_association(f_port)
    if held and _ours(held, integration):
        things_stack.packages.delete_default_association(f_port)


def release(_integration: Integration, _account: Account) -> None:
    """Nothing to do: what it used is Terraform's."""


def _data(integration: Integration) -> dict[str, Any]:
    values = {
        "region": integration.region,
        "stack_name": integration.stack_name,
        "role_arn": integration.settings["role_arn"],
        "external_id": integration.settings.get("external_id"),
    }
    fields: Mapping[str, str | None] = integration.settings["data_fields"]
    return {field: values[value] for value, field in fields.items() if field and values[value] is not None}


def _ours(held: Mapping[str, Any], integration: Integration) -> bool:
    """Recognized by the role, which names the account and the stack, in whatever field it is."""
    return held.get("package_name") == PACKAGE and integration.settings["role_arn"] in held.get("data", {}).values()


def _holder(held: Mapping[str, Any]) -> str:
    name = held.get("package_name", "another package")
    return f"another role of {PACKAGE}" if name == PACKAGE else f"the package {name}"
