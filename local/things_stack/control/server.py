"""The control API below /simulation/: the methods of a simulation as JSON, for another process.

`POST /simulation/<name>` with an object of arguments answers `{"result": …}`, or 400 with `{"error", "message"}`;
`GET /simulation/health` answers when the simulation does. `client` is its counterpart. It is not part of the API of
The Things Stack, and faults don't affect it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wrappers import Request, Response

from local.things_stack.api.faults import Faults
from local.things_stack.api.request_log import RequestLog
from local.things_stack.cluster import Cluster
from local.things_stack.control.encoding import decoded, encoded
from local.things_stack.description.errors import ApiError
from local.things_stack.network.dropped import Dropped

PREFIX = "/simulation/"

Functions = Mapping[str, Callable[..., Any]]
"""Name below /simulation/ → what it calls."""


def functions(cluster: Cluster, faults: Faults, log: RequestLog) -> Functions:
    """Every function of the control API. Their parameters are the arguments of the requests."""
    network, integrations = cluster.network, cluster.integrations
    return {
        "create_application": cluster.create_application,
        "set_application_addresses": cluster.set_application_addresses,
        "create_api_key": cluster.create_api_key,
        "create_user_api_key": cluster.create_user_api_key,
        "delete_api_key": cluster.delete_api_key,
        "advance": cluster.advance,
        "limit_downlinks": cluster.limit_downlinks,
        "register_device": cluster.register_device,
        "claimable": cluster.claimable,
        "network/join": network.join,
        "network/uplink": network.uplink,
        "network/simulate_uplink": network.simulate_uplink,
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
        "requests": lambda: list(log.requests),
        "violations": lambda: list(log.violations),
        "servers": lambda: cluster.servers,
    }


class ControlApi:
    """A WSGI application in front of `api`: answers below /simulation/ and passes every other request on. `health` is
    the result of a health check."""

    def __init__(self, api: WSGIApplication, functions: Functions, health: Callable[[], dict[str, str]]) -> None:
        self._api, self._functions, self._health = api, functions, health

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        request = Request(environ)
        if request.path.startswith(PREFIX):
            return self._answer(request)(environ, start_response)
        return self._api(environ, start_response)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix(PREFIX)
        if name == "health":
            return _json(200, {"result": self._health()})
        function = self._functions.get(name)
        if function is None or request.method != "POST":
            return _json(404, {"error": "LookupError", "message": f"the simulation has no POST {request.path}"})
        try:
            arguments = decoded(json.loads(request.get_data() or b"{}"))
            return _json(200, {"result": encoded(function(**arguments))})
        except (Dropped, ApiError, ValueError, KeyError, TypeError) as error:
            return _json(400, {"error": type(error).__name__, "message": str(error)})


def _json(status: int, content: Any) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")
