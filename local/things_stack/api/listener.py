"""A listening address on this machine with its thread, and how a connection is reset. What it serves is passed in."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any, NoReturn
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from local.things_stack.cluster import HOST


class _Handler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are recorded in the request log instead."""

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:  # noqa: ARG002
        self.close_connection = True


class _Server(ThreadedWSGIServer):
    def shutdown_request(self, request: Any) -> None:
        """Closes without the usual FIN first, which would prevent a reset."""
        self.close_request(request)


def reset(environ: WSGIEnvironment) -> NoReturn:
    """Ends the request's connection with a TCP reset instead of an answer."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionResetError


class Listener:
    """Serves `application` on `port` (0: a free one) from `start` to `stop`; the port is bound immediately."""

    def __init__(self, port: int, application: WSGIApplication) -> None:
        self._server = _Server(HOST, port, application, _Handler)
        options = {"poll_interval": 0.05}  # seconds: how soon `stop` is noticed
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs=options, daemon=True, name="things-stack"
        )

    @property
    def address(self) -> str:
        """host:port."""
        return f"{HOST}:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Idempotent, and allowed before `start`."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
