"""A server on this machine that answers as a test says, one answer after the other, and records what it was asked."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Says:
    """An answer. `late`: sent once the next request has come; `then_closes`: the connection, without announcing it."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    late: bool = False
    then_closes: bool = False


HANGS_UP: Says = Says(status=0)
"""Closes the connection instead of answering."""


@dataclass(frozen=True)
class Asked:
    """A request. `connection` numbers the connections in the order in which they were opened."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


class ScriptedServer(ThreadingHTTPServer):
    """Answers from `script`, and 200 with an empty object once that is used up."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: deque[Says] = deque()
        self.came = threading.Condition()
        self.asked: list[Asked] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that no longer waits is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent at once, not its headers first
    server: ScriptedServer

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1
        self._number = self.server.connections

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.came:
            self.server.asked.append(Asked(self.command, self.path, headers, body, self._number))
            before = len(self.server.asked)
            self.server.came.notify_all()
        says = self.server.script.popleft() if self.server.script else Says()
        self.close_connection = says is HANGS_UP or says.then_closes
        if says is HANGS_UP:
            return
        with self.server.came:
            self.server.came.wait_for(lambda: not says.late or len(self.server.asked) > before, timeout=60)
        self.send_response(says.status)
        for name, value in {"Content-Length": str(len(says.body)), **says.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(says.body)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing is written."""


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A running one."""
    server = ScriptedServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
