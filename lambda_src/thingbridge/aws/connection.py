"""One kept HTTP connection to a server of AWS: a request goes out, its answer comes back.

When a request is sent again after a failure or an error is decided in `retries`. Only one thing is repeated here: a
request on a kept connection that the server has closed in the meantime, of which no answer has begun.
"""

import http.client
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from thingbridge.aws.errors import Unreachable

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 10.0
"""Time-outs that leave a Lambda function time to record a failure; boto3's clients get the same (`clients`)."""

_CLOSED: Final = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)


class Answer:
    """An answer: its status, and its headers by their names in lower case."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class Connection:
    """A connection to the server of a URL, opened with the first request. One request at a time."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """`context`: of TLS, None for a URL without."""
        parts = urlsplit(url)
        self.host, self._url, self._read_seconds = parts.netloc, url, read_seconds
        host = parts.hostname or ""
        self._http: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, parts.port, timeout=connect_seconds, context=context)
            if context
            else http.client.HTTPConnection(host, parts.port, timeout=connect_seconds)
        )

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request, on the kept connection if there is one. `target`: path and query. Raises Unreachable."""
        return self.begin(method, target, headers, body)()

    def begin(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Callable[[], Answer]:
        """Send a request. Returns what awaits the answer, which is what `send` returns or raises."""
        kept = self._is_open()
        failure: Exception | None = None
        try:
            self._request(method, target, headers, body)
        except (OSError, http.client.HTTPException) as error:
            failure = error

        def answer() -> Answer:
            try:
                try:
                    if failure:
                        raise failure
                    return self._answer()
                except _CLOSED:
                    if not kept:
                        raise
                    self._http.close()
                    self._request(method, target, headers, body)
                    return self._answer()
            except (OSError, http.client.HTTPException) as error:
                # What is left of an answer must not be taken for the next one.
                self._http.close()
                raise Unreachable(f"{self._url}: {str(error) or type(error).__name__}") from error

        return answer

    def _is_open(self) -> bool:
        """Whether there is a connection that the server has not closed: then there is nothing to read yet."""
        if self._http.sock is None:
            return False
        readable = select.poll()
        readable.register(self._http.sock, select.POLLIN)
        if readable.poll(0):
            self._http.close()
        return self._http.sock is not None

    def _request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        if self._http.sock is None:
            self._open()
        self._http.request(method, target, body or None, dict(headers))

    def _answer(self) -> Answer:
        answer = self._http.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def _open(self) -> None:
        self._http.connect()
        opened: socket.socket = self._http.sock
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.settimeout(self._read_seconds)
