"""A request on its way to a handler: the operation, its parameters, the API key, and the cluster it acts on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.things_stack.cluster import Cluster
from local.things_stack.description.operations import Operation
from local.things_stack.description.proto3_json import Json
from local.things_stack.servers import ApiKey, DeviceKey


@dataclass
class Call:
    """A request that conforms to the description. `path` holds the path parameters by their last name (`device_id`),
    `mask` the paths of the field mask; a handler may set `headers` of the answer."""

    cluster: Cluster
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
    def device(self) -> DeviceKey:
        return self.application_id, self.path["device_id"]


Handler = Callable[[Call], Json]
"""Carries out an operation and returns the answer. ApiError: the error to answer with."""
