"""Function `configure`: Terraform's hands where its provider has none.

Terraform invokes it on create, update and destroy. What it raises is the first thing a person reads when an
apply fails, so every message is one sentence that names the mend.
"""

from collections.abc import Callable
from typing import Any

from handlers.things_stack_session import LambdaContext, open_session
from thingbridge.aws_iot import account, client_certificates
from thingbridge.aws_iot.propagation import once_permitted
from thingbridge.aws_iot.secrets import secret
from thingbridge.diagnostics import emit
from thingbridge.settings import ThingsStackSettings
from thingbridge.things_stack import api_key, end_to_end_encryption
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.ingest import MODES
from thingbridge.things_stack.ingest.account import Account
from thingbridge.things_stack.ingest.integration import Integration

_ACCOUNT = Account(secret=lambda arn: secret(arn, refresh=True), certificates=client_certificates)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take `{"resource", …, "tf": {"action", "prev_input"}}`, as `aws_lambda_invocation` sends it.

    Returns what was done, which Terraform keeps as the invocation's result.
    """
    terraform = event["tf"]
    result = _RESOURCES[event["resource"]](event, terraform["action"], terraform.get("prev_input") or {}, context)
    emit("INFO", "configured", resource=event["resource"], action=terraform["action"], **result)
    return result


def _thing_type(
    event: dict[str, Any], action: str, _previous: dict[str, Any], _context: LambdaContext
) -> dict[str, Any]:
    """AWS deletes no thing type that has things, and a fleet can't be detached in one go: a destroy leaves it."""
    if action == "delete":
        return {"left": event["thing_type_name"]}
    created = account.ensure_thing_type(event["thing_type_name"], event["description"], event["searchable_attributes"])
    return {"thing_type_name": event["thing_type_name"], "created": created}


def _registry_events(
    _event: dict[str, Any], action: str, _previous: dict[str, Any], _context: LambdaContext
) -> dict[str, Any]:
    """The switch is the account's, and others may rely on it by now: a destroy leaves it on."""
    return {} if action == "delete" else {"switched_on": account.enable_thing_events()}


def _integration(
    event: dict[str, Any], action: str, previous: dict[str, Any], context: LambdaContext
) -> dict[str, Any]:
    session, wanted = _session(event, context), Integration.read(event)
    mode = MODES[wanted.mode]
    if action == "delete":
        mode.remove(session, wanted, _ACCOUNT)
        return {"mode": wanted.mode, "removed": wanted.id}
    api_key.check(session, mode.RIGHTS)
    before = Integration.read(previous) if previous else None
    once_permitted(lambda: mode.configure(session, wanted, before, _ACCOUNT))
    if before and _place(previous) != _place(event):
        MODES[before.mode].remove(_session(previous, context), before, _ACCOUNT)
    return {"mode": wanted.mode, "configured": wanted.id}


def _place(event: dict[str, Any]) -> tuple[object, ...]:
    """Where an integration is configured: when this changes, the one in the old place is removed."""
    return event["cluster_address"], event["application_id"], *Integration.read(event).place


def _end_to_end_encryption(
    event: dict[str, Any], action: str, previous: dict[str, Any], context: LambdaContext
) -> dict[str, Any]:
    """The label of the key encryption key is the ARN of its secret."""
    label, session = event["key_encryption_key_secret_arn"], _session(event, context)
    if action == "delete":
        end_to_end_encryption.remove(session, label)
        return {"removed": label}
    api_key.check(session, end_to_end_encryption.RIGHTS)
    moved = previous and _application(previous) != _application(event)
    replaced = previous["key_encryption_key_secret_arn"] if previous and not moved else None
    end_to_end_encryption.configure(session, label, secret(label, refresh=True), replaced)
    if moved:
        end_to_end_encryption.remove(_session(previous, context), previous["key_encryption_key_secret_arn"])
    return {"kek_label": label}


def _application(event: dict[str, Any]) -> tuple[object, ...]:
    return (event["cluster_address"], event["application_id"])


def _session(event: dict[str, Any], context: LambdaContext) -> ThingsStack:
    return open_session(
        ThingsStackSettings(
            stack_name=event["stack_name"],
            things_log_group="",
            cluster_address=event["cluster_address"],
            identity_server_address=event["identity_server_address"],
            application_id=event["application_id"],
            api_key_secret_arn=event["api_key_secret_arn"],
        ),
        context,
    )


_RESOURCES: dict[str, Callable[[dict[str, Any], str, dict[str, Any], LambdaContext], dict[str, Any]]] = {
    "thing_type": _thing_type,
    "registry_events": _registry_events,
    "end_to_end_encryption": _end_to_end_encryption,
    "integration": _integration,
}
