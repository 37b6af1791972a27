"""The simulated Things Stack behind `requests`, in this process: a history is hundreds of calls, and needs no socket.

Everything above the socket is real: `requests`, the text of request and answer, the check against the published API.
The failures of a socket are arranged: a connection that breaks, an answer that comes too late, and the end of the
function in the middle of a call.
"""

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from werkzeug.test import EnvironBuilder, run_wsgi_app

from local.things_stack import ThingsStack as Simulation
from local.things_stack.api.faults import Faults
from local.things_stack.api.http import Api


class Killed(BaseException):
    """The function was ended from outside: nothing of it runs any more, not even what would undo its steps."""


class _Connection:
    """Stands for the socket that the simulation closes to reset a connection."""

    def setsockopt(self, *_: object) -> None:
        """Does nothing: the caller's next line closes it."""


class Wire(BaseAdapter):
    """Passes requests to the simulation.

    A request that matches `time_outs` is carried out after the one that follows it; one that matches `kills` ends the
    function, before the request or after it; before the answer to one that matches `meanwhile`, something `happens`.
    """

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._api = Api(simulation, simulation.faults, simulation.log)
        self._late: list[requests.PreparedRequest] = []
        self.time_outs, self.kills, self.meanwhile = Faults(), Faults(), Faults()
        self.happens: Callable[[], None] = lambda: None

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Called by `requests`. Raises what it raises for a broken connection and a late answer, or Killed."""
        called = (str(request.method), urlsplit(str(request.url)).path)
        kill = self.kills.strike(*called)
        if kill and not kill.after:
            raise Killed
        if self.time_outs.strike(*called):
            self._late.append(request)
            raise requests.ReadTimeout(request=request)
        try:
            answer = self._answer(request)
        except ConnectionResetError as error:
            raise requests.ConnectionError(request=request) from error
        finally:
            self.arrive()
        if self.meanwhile.strike(*called):
            self.happens()
        if kill:
            raise Killed
        return answer

    def arrive(self) -> None:
        """Carry out the requests that timed out."""
        while self._late:
            self._answer(self._late.pop(0))

    def close(self) -> None:
        """Does nothing: no connection is open."""

    def _answer(self, request: requests.PreparedRequest) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        builder = EnvironBuilder(method=request.method, path=request.path_url, data=body, headers=dict(request.headers))
        environ = builder.get_environ() | {"werkzeug.socket": _Connection()}
        chunks, status, headers = run_wsgi_app(self._api, environ)
        response = requests.Response()
        response.status_code = int(status.split()[0])
        response.headers.update(dict(headers))
        response.encoding = "utf-8"
        response.raw = io.BytesIO(b"".join(chunks))
        response.request = request
        return response
