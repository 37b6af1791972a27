"""Configure: what the AWS provider can't do, in a function that Terraform invokes on create, update and destroy.

Its errors are the first thing a person reads when an apply fails, so every message is one sentence that names the fix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.account import Account as AwsAccount
from thingbridge.aws.propagation import retry_until_permitted
from thingbridge.diagnostics import emit
from thingbridge.flows import api_key
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.flows.ingest.modes import MODES
from thingbridge.things_stack.client import ThingsStack

PATIENCE: Final = 15.0
"""Seconds for which a server that does not answer is tried again: an operator waits for the apply."""

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Address:
    """Where The Things Stack is reached, and the secret of its API key, as an event names them."""

    application_id: str
    cluster_address: str
    identity_server_address: str
    api_key_secret_arn: str

    @classmethod
    def of(cls, event: Event) -> "Address":
        """From the input of an invocation."""
        return cls(
            event["application_id"],
            event["cluster_address"],
            event["identity_server_address"],
            event["api_key_secret_arn"],
        )


@dataclass(frozen=True)
class Configure:
    """Manages the resources of an apply. `connect` makes a client of The Things Stack."""

    aws_account: AwsAccount
    account: Account
    connect: Callable[[Address], ThingsStack]

    def handle(self, event: Event) -> dict[str, Any]:
        """Handle `{"resource", …, "tf": {"action", "prev_input"}}`, as `aws_lambda_invocation` sends it.

        Returns what was done, which Terraform keeps as the invocation's result. Raises what fails the apply.
        """
        terraform = event["tf"]
        resources = {
            "thing_type": self._thing_type,
            "registry_events": self._registry_events,
            "end_to_end_encryption": self._end_to_end_encryption,
            "integration": self._integration,
        }
        result = resources[event["resource"]](event, terraform["action"], terraform.get("prev_input") or {})
        emit("INFO", "configured", resource=event["resource"], action=terraform["action"], **result)
        return result

    def _thing_type(self, event: Event, action: str, _previous: Event) -> dict[str, Any]:
        """AWS deletes no thing type that has things, and a fleet can't be detached in one go: a destroy leaves it."""
        name = event["thing_type_name"]
        if action == "delete":
            return {"left": name}
        created = self.aws_account.ensure_thing_type(name, event["description"], event["searchable_attributes"])
        return {"thing_type_name": name, "created": created}

    def _registry_events(self, _event: Event, action: str, _previous: Event) -> dict[str, Any]:
        """The switch belongs to the account, and others may rely on it by now: a destroy leaves it on."""
        return {} if action == "delete" else {"switched_on": self.aws_account.enable_thing_events()}

    def _integration(self, event: Event, action: str, previous: Event) -> dict[str, Any]:
        things_stack, wanted = self.connect(Address.of(event)), Integration.read(event)
        mode = MODES[wanted.mode]
        if action == "delete":
            mode.remove(things_stack, wanted, self.account)
            return {"mode": wanted.mode, "removed": wanted.id}
        api_key.check(things_stack, mode.RIGHTS)
        before = Integration.read(previous) if previous else None
        retry_until_permitted(lambda: mode.configure(things_stack, wanted, before, self.account))
        if before and _integration_place(previous) != _integration_place(event):
            MODES[before.mode].remove(self.connect(Address.of(previous)), before, self.account)
        return {"mode": wanted.mode, "configured": wanted.id}

    def _end_to_end_encryption(self, event: Event, action: str, previous: Event) -> dict[str, Any]:
        """The label of the key encryption key is the ARN of its secret."""
        label, things_stack = event["key_encryption_key_secret_arn"], self.connect(Address.of(event))
        if action == "delete":
            setup.remove(things_stack, label)
            return {"removed": label}
        api_key.check(things_stack, setup.RIGHTS)
        moved = previous and _application(previous) != _application(event)
        replaced = previous["key_encryption_key_secret_arn"] if previous and not moved else None
        setup.configure(things_stack, label, self.account.secret(label), replaced)
        if moved:
            setup.remove(self.connect(Address.of(previous)), previous["key_encryption_key_secret_arn"])
        return {"kek_label": label}


def _integration_place(event: Event) -> tuple[object, ...]:
    """Where an integration is configured: when this changes, the one in the old place is removed."""
    return *_application(event), *Integration.read(event).place


def _application(event: Event) -> tuple[object, ...]:
    return event["cluster_address"], event["application_id"]
