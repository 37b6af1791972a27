"""One API request on its way through the simulation: what was asked, of which operation, by which key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.things_stack.operations import Operation

if TYPE_CHECKING:
    from local.things_stack.servers import ApiKey
    from local.things_stack.simulation import ThingsStack


@dataclass
class Call:
    """A request that agrees with the description. `path` holds the path's parameters under their last name
    (`device_id`), `mask` the paths of the field mask; an operation may set answer `headers`."""

    simulation: ThingsStack
    operation: Operation
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    mask: list[str]
    key: ApiKey | None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def application_id(self) -> str:
        if "application_id" in self.path:
            return self.path["application_id"]
        return str(self.body.get("target_application_ids", {}).get("application_id", ""))

    @property
    def device(self) -> tuple[str, str]:
        return self.application_id, self.path["device_id"]


Handler = Callable[[Call], dict[str, Any]]
