"""Configure: what the AWS provider can't do, in a function that Terraform invokes.

What is checked and configured at The Things Stack is in check.py and convergence.py; here is what an invocation asks
for, and what belongs to the AWS account. Errors are the first thing a person reads when an apply fails, so every
message is one sentence that names the fix.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thingbridge.aws.account import Account
from thingbridge.aws.propagation import retry_until_permitted
from thingbridge.diagnostics import emit
from thingbridge.flows.check import Check
from thingbridge.flows.convergence import Convergence
from thingbridge.flows.diagnosis import Diagnosis
from thingbridge.flows.drain import Drain

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Configure:
    """Manages the resources of an apply; `parts` are those at The Things Stack, by the name of their resource."""

    account: Account
    check: Check
    diagnosis: Diagnosis
    drain: Drain
    parts: Mapping[str, Convergence]

    def handle(self, event: Event) -> dict[str, Any]:
        """Handle `{"resource", …}`, with `"tf": {"action"}` for what is updated and destroyed as well as created.

        Returns what was done, which Terraform keeps as the invocation's result. Raises what fails the apply.
        `{"resource": "diagnosis"}` is of `thingbridge doctor`: it changes nothing.
        """
        if event["resource"] == "diagnosis":
            return self.diagnosis.run()
        resource, action = event["resource"], event.get("tf", {}).get("action", "create")
        result: dict[str, Any] = {}

        def work() -> None:
            result.update(self._handle(event, resource, action))

        retry_until_permitted(work)
        emit("INFO", "configured", resource=resource, action=action, **result)
        return result

    def _handle(self, event: Event, resource: str, action: str) -> dict[str, Any]:
        if resource == "thing_type":
            return self._thing_type(event)
        if resource == "registry_events":
            return {"switched_on": self.account.enable_thing_events()}
        if resource == "check":
            return {} if action == "delete" else self.check.run()
        if resource == "drain":
            return self.drain.end(event) if action == "delete" else self.drain.begin(event)
        part = self.parts[resource]
        return part.remove() if action == "delete" else part.apply(event["attempt"])

    def _thing_type(self, event: Event) -> dict[str, Any]:
        """Created or adopted; what it is not searchable by is reported."""
        name, wanted = event["thing_type_name"], event["searchable_attributes"]
        thing_type = self.account.ensure_thing_type(name, event["description"], wanted)
        if thing_type.not_searchable:
            emit("WARN", "thing_type_not_searchable", thing_type=name, attributes=thing_type.not_searchable)
        result = {"thing_type_name": name, "created": thing_type.created}
        return {**result, "not_searchable": thing_type.not_searchable} if thing_type.not_searchable else result
