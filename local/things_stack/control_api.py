"""The control API below /simulation/: what `ThingsStack` offers in Python, as JSON for another process.

`POST /simulation/<name>` with an object of arguments answers `{"result": …}`, or 400 with `{"error", "message"}`;
`GET /simulation/health` answers when the simulation does. `control.Control` is its client. It is no part of the API
The Things Stack has, and faults don't touch it.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from local.things_stack.errors import ApiError
from local.things_stack.network import Dropped

if TYPE_CHECKING:
    from local.things_stack.simulation import ThingsStack

BYTES = "base64"


def encoded(value: Any) -> Any:
    """`value` as JSON has it: dataclasses as objects, bytes as `{"base64": …}`, keys of pairs joined with "/"."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encoded(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return {BYTES: base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"/".join(key) if isinstance(key, tuple) else str(key): encoded(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [encoded(item) for item in value]
    return value


def decoded(value: Any) -> Any:
    """The other way round: `{"base64": …}` becomes bytes."""
    if isinstance(value, dict):
        return (
            base64.b64decode(value[BYTES])
            if set(value) == {BYTES}
            else {key: decoded(item) for key, item in value.items()}
        )
    return [decoded(item) for item in value] if isinstance(value, list) else value


def functions(simulation: ThingsStack) -> dict[str, Callable[..., Any]]:
    """Name below /simulation/ → what it calls."""
    network, faults, integrations = simulation.network, simulation.faults, simulation.integrations
    return {
        "create_application": simulation.create_application,
        "create_api_key": simulation.create_api_key,
        "delete_api_key": simulation.delete_api_key,
        "register_device": simulation.register_device,
        "claimable": simulation.claimable,
        "network/join": network.join,
        "network/uplink": network.uplink,
        "network/received": network.received,
        "network/session": network.session,
        "network/set_frame_counters": network.set_frame_counters,
        "network/location_solved": network.location_solved,
        "network/service_data": network.service_data,
        "network/publish_raw": network.publish_raw,
        "network/invalidate_queue": network.invalidate_queue,
        "network/fail_next_downlink": network.fail_next_downlink,
        "network/queue": network.queue,
        "network/published": lambda: list(network.published),
        "faults/add": faults.add,
        "faults/clear": faults.clear,
        "integrations/all": integrations.all,
        "integrations/wait": integrations.wait,
        "requests": lambda: list(simulation.requests),
        "violations": lambda: list(simulation.violations),
        "servers": lambda: simulation.servers,
    }


def answer(simulation: ThingsStack, request: Request) -> Response:
    name = request.path.removeprefix("/simulation/")
    if name == "health":
        return _json(200, {"result": {"address": simulation.address, "identity_address": simulation.identity_address}})
    function = functions(simulation).get(name)
    if function is None or request.method != "POST":
        return _json(404, {"error": "LookupError", "message": f"the simulation has no POST {request.path}"})
    try:
        arguments = decoded(json.loads(request.get_data() or b"{}"))
        return _json(200, {"result": encoded(function(**arguments))})
    except (Dropped, ApiError, ValueError, KeyError, TypeError) as error:
        return _json(400, {"error": type(error).__name__, "message": str(error)})


def _json(status: int, content: Any) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")
