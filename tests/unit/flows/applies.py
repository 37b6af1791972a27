"""Terraform as the function `configure` meets it: plans, applies and destroys of one part, without Terraform.

A failed update is stored as done, as the provider stores it (hashicorp/terraform-provider-aws 43447); a failed create
is not. What a plan compares is written twice, in modules/integration/main.tf and here; tests/e2e/test_way_back.py runs
the former.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from handlers import composition
from tests.unit.invocation import Invocation
from thingbridge.aws.clients import Clients

PATH = "/thethings/lorawan/Farm/configure"
ENVIRONMENT = {"STACK_NAME": "Farm", "PARAMETER_PATH": PATH}

_times = itertools.count(1)


@dataclass
class Applies:
    """The applies of one part (`integration` or `end_to_end_encryption`) of one stack; `state` is its input."""

    clients: Clients
    part: str = "integration"
    state: dict[str, Any] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._flow = composition.configure(ENVIRONMENT, self.clients)

    def apply(self, wanted: dict[str, Any], seconds: float = 10) -> dict[str, Any]:
        """Apply; what the invocation answered, empty when there was nothing to do. Raises what fails the apply."""
        planned = self.plan(wanted)
        self._put("wanted", json.dumps(wanted))
        if not self.record:
            self._put("record", "{}")
        if planned is None:
            return {}
        if self.state is None:
            answer = self.invoke(planned, "create", seconds)
            self.state = planned
        else:
            self.state = planned
            answer = self.invoke(planned, "update", seconds)
        return answer

    def plan(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """The planned input, None when an apply would change nothing."""
        configuration = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()
        done = self.record.get("configuration") == configuration
        attempt = self.record["attempt"] if done else f"plan {next(_times)}"
        planned = {"resource": self.part, "configuration": configuration, "attempt": attempt}
        return None if planned == self.state else planned

    def destroy(self) -> dict[str, Any]:
        """Destroy; what the invocation answered."""
        answer = self.invoke(self.state, "delete") if self.state else {}
        self.state = None
        return answer

    def invoke(self, given: dict[str, Any] | None, action: str, seconds: float = 10) -> dict[str, Any]:
        """Invoke the function with this input, as whoever may do so."""
        event = {**(given or {}), "tf": {"action": action, "prev_input": None}}
        return self._flow(Invocation(seconds)).handle(event)

    @property
    def record(self) -> dict[str, Any]:
        """What the function recorded."""
        ssm = self.clients("ssm")
        found = ssm.get_parameters(Names=[f"{PATH}/record/{self.part}"])["Parameters"]
        return dict(json.loads(found[0]["Value"])) if found else {}

    def _put(self, kind: str, text: str) -> None:
        name = f"{PATH}/{kind}/{self.part}"
        self.clients("ssm").put_parameter(Name=name, Value=text, Type="String", Overwrite=True)
