"""The simulated Things Stack without HTTP: a client's calls go straight to the simulation's operations.

A request is still read by the published API where it writes, so that an attribute too many is refused as by the real
one. A thousand histories are a hundred thousand calls, and cost a tenth of what they cost over `wire`. A busy server
is not asked again: in these histories the time of a call is always over.
"""

import copy
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from local.things_stack.api import reading
from local.things_stack.api.call import Call
from local.things_stack.api.faults import Faults
from local.things_stack.api.http import HANDLERS
from local.things_stack.api.routes import match
from local.things_stack.cluster import Cluster
from local.things_stack.description import schema
from local.things_stack.description.errors import ApiError
from local.things_stack.description.operations import Operation
from local.things_stack.description.schema import Problem
from tests.unit.histories.wire import Killed
from thingbridge.things_stack.errors import ThingsStackBusy, read_answer, refused
from thingbridge.things_stack.transport import API_PREFIX, Transport

ADDRESS = "https://tts.example"

Watch = Callable[[Call], Callable[[], None]]
"""Called with each call before it is carried out; what it returns is called afterwards, if it was not refused."""


@lru_cache
def _served(method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
    (found,) = [each for each in match(path) if each[0].method == method]
    operation, values = found
    return operation, {name.rsplit(".", 1)[-1]: value for name, value in values.items()}


class Shortcut(Transport):
    """Calls of one client. `faults` and `kills` let calls fail or end the function, before they are carried out or
    after; before the answer to one that matches `meanwhile`, something `happens`."""

    def __init__(self, cluster: Cluster, watch: Watch) -> None:
        super().__init__(
            cluster_address=ADDRESS,
            identity_server_address=ADDRESS,
            api_key=lambda _refresh: "",
            remaining_seconds=lambda: 60.0,
        )
        self._on, self._watch = cluster, watch
        self.faults, self.kills, self.meanwhile = Faults(), Faults(), Faults()
        self.happens: Callable[[], None] = lambda: None
        self.called: list[tuple[str, str]] = []

    def exchange(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        identity_server: bool = False,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        self.called.append((method, path))
        fault, kill = self.faults.strike(method, path), self.kills.strike(method, path)
        if kill and not kill.after:
            raise Killed
        if fault and not fault.after:
            raise _failed(operation, fault.status)
        try:
            answer = self._carry_out(method, path, query or {}, body)
        except ApiError as error:
            raise refused(operation, read_answer(error.status, error.body())) from error
        if self.meanwhile.strike(method, path):
            self.happens()
        if kill:
            raise Killed
        if fault:
            raise _failed(operation, fault.status)
        return answer

    def _carry_out(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        operation, values = _served(method, API_PREFIX + path)
        problems: list[Problem] = []
        sent = schema.read(body, operation.body, "", problems) if body else {}
        if error := reading.error_for(problems):
            raise error
        typed = {name: int(value) if name in ("limit", "page") else value for name, value in query.items()}
        mask = [*filter(None, query.get("field_mask", "").split(",")), *sent.get("field_mask", ())]
        call = Call(self._on, operation, dict(values), typed, copy.deepcopy(sent), mask, None)
        afterwards = self._watch(call)
        answer: dict[str, Any] = copy.deepcopy(HANDLERS[operation.name](call))
        afterwards()
        return answer, call.headers


def _failed(operation: str, status: int | None) -> Exception:
    if status is None or status >= 500:
        return ThingsStackBusy(operation, "no answer in time")
    return refused(operation, read_answer(status, None))
