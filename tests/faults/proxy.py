"""A proxy between functions and a server, in which a hop fails: in the formats that AWS and The Things Stack answer in.

It knows each request by its hop, such as `sqs SendMessage` or `NS PUT /applications/…/devices/…`, records those that
the server has carried out, and applies one fault at a time. The package microburst does the same to AWS alone, but
reads the descriptions of all services for its first request (20 seconds on a busy machine), records only what it has
failed, and can't end a function after a request that was carried out.
"""

from __future__ import annotations

import http.client
import json
import re
import select
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from local.things_stack.description import errors as things_stack_errors

SLOW_SECONDS = 0.2
HELD_SECONDS = 60.0
"""How late an answer is that is slow; and how long a request is held at most that is never answered."""


class Fault(StrEnum):
    """What happens to a hop, as the columns of the matrix are named."""

    TIME_OUT = "time-out"
    RESET = "reset"
    REFUSED = "400"
    DENIED = "403"
    THROTTLED = "429"
    BROKEN = "500"
    SLOW = "slow"
    UNANSWERED = "answer lost"
    HALF = "half an answer"
    KILLED = "killed after it"


ONCE = frozenset({Fault.SLOW, Fault.UNANSWERED, Fault.HALF, Fault.KILLED})
"""Faults that strike once: the request was carried out. The others last until they are removed."""


@dataclass
class Striking:
    """A fault at a hop, from its `on_call`-th request on. `struck`: how often it has."""

    hop: str
    fault: Fault
    on_call: int = 1
    calls: int = 0
    struck: int = 0


@dataclass
class Faults:
    """What the proxies of one deployment share: the fault that is set, and whether the function was killed by it."""

    set: Striking | None = None
    killed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self, hop: str) -> Fault | None:
        """Count a request, and return what happens to it."""
        with self.lock:
            striking = self.set
            if striking is None or striking.hop != hop:
                return None
            striking.calls += 1
            if striking.calls < striking.on_call or (striking.fault in ONCE and striking.struck):
                return None
            striking.struck += 1
            return striking.fault

    @property
    def struck(self) -> int:
        return self.set.struck if self.set else 0


@dataclass(frozen=True)
class Carried:
    """A request that the server has carried out."""

    hop: str
    path: str
    body: bytes


@dataclass(frozen=True)
class Dialect:
    """How a server is spoken to: the hop of a request, and an error as it answers one (status, headers, body)."""

    hop: Callable[[str, str, Mapping[str, str]], str]
    error: Callable[[str, Fault], tuple[int, dict[str, str], bytes]]


class Proxy(ThreadingHTTPServer):
    """A running proxy before the server at `upstream`. `carried`: what the server has carried out, in its order."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, dialect: Dialect, faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.dialect, self.faults = urlsplit(upstream).netloc, dialect, faults
        self.carried: list[Carried] = []
        self.hops: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that no longer waits is part of the tests."""


@contextmanager
def proxy(upstream: str, dialect: Dialect, faults: Faults) -> Iterator[Proxy]:
    """A running one."""
    made = Proxy(upstream, dialect, faults)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent at once, not its headers first
    server: Proxy

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(self.server.upstream, timeout=HELD_SECONDS)

    def finish(self) -> None:
        self._upstream.close()
        with suppress(OSError):
            super().finish()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        hop, faults = self.server.dialect.hop(self.command, self.path, headers), self.server.faults
        self.server.hops.append(hop)
        fault = Fault.RESET if faults.killed else faults.strike(hop)
        match fault:
            case Fault.TIME_OUT:
                select.select([self.connection], [], [], HELD_SECONDS)
                self.close_connection = True
            case Fault.RESET:
                self._reset()
            case Fault.REFUSED | Fault.DENIED | Fault.THROTTLED | Fault.BROKEN:
                self._answer(*self.server.dialect.error(hop, fault))
            case _:
                if fault is Fault.SLOW:
                    time.sleep(SLOW_SECONDS)
                status, answered, content = self._forward(body)
                if status < 300:
                    self.server.carried.append(Carried(hop, self.path, body))
                if fault is Fault.KILLED:
                    faults.killed = True
                if fault in (Fault.KILLED, Fault.UNANSWERED):
                    self._reset()
                elif fault is Fault.HALF:
                    self._answer(status, answered, content, half=True)
                else:
                    self._answer(status, answered, content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What the server answers. The request is signed for the proxy's address, which stays in it."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        for again in (True, False):
            try:
                self._upstream.request(self.command, self.path, body or None, headers)
                answer = self._upstream.getresponse()
                content = answer.read()
                break
            except (http.client.RemoteDisconnected, ConnectionError):
                # The server has closed a kept connection.
                self._upstream.close()
                if not again:
                    raise
        hop_by_hop = ("connection", "content-length", "transfer-encoding", "date", "server")
        return answer.status, {n: v for n, v in answer.getheaders() if n.lower() not in hop_by_hop}, content

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, *, half: bool = False) -> None:
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}", f"Content-Length: {len(body)}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("latin-1")
        if half:
            # An empty body has no half: then it is the head.
            self.wfile.write(head + body[: len(body) // 2] if body else head[: len(head) // 2])
            self.close_connection = True
        else:
            self.wfile.write(head if self.command == "HEAD" else head + body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing is written."""


# AWS ----------------------------------------------------------------------------------------------------------------

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
_BOTO3_NAMES = {"iotdata": "iot-data", "iotdevicegateway": "iot-data", "execute-api": "iot"}
_REST = (
    ("iot-data", "POST", r"/topics/.+", "Publish"),
    ("iot-data", "GET", r"/things/[^/]+/shadow", "GetThingShadow"),
    ("iot-data", "POST", r"/things/[^/]+/shadow", "UpdateThingShadow"),
    ("iot-data", "DELETE", r"/things/[^/]+/shadow", "DeleteThingShadow"),
    ("iot", "GET", r"/things", "ListThings"),
    ("iot", "GET", r"/things/[^/]+", "DescribeThing"),
    ("iot", "POST", r"/things/[^/]+", "CreateThing"),
    ("iot", "PATCH", r"/things/[^/]+", "UpdateThing"),
    ("iot", "DELETE", r"/things/[^/]+", "DeleteThing"),
    ("iot", "GET", r"/things/[^/]+/principals", "ListThingPrincipals"),
    ("iot", "PUT", r"/things/[^/]+/principals", "AttachThingPrincipal"),
    ("iot", "DELETE", r"/things/[^/]+/principals", "DetachThingPrincipal"),
    ("iot", "POST", r"/certificates", "CreateCertificateFromCsr"),
    ("iot", "PUT", r"/certificates/[^/]+", "UpdateCertificate"),
    ("iot", "DELETE", r"/certificates/[^/]+", "DeleteCertificate"),
    ("iot", "PUT", r"/target-policies/.+", "AttachPolicy"),
    ("iot", "POST", r"/target-policies/.+", "DetachPolicy"),
    ("iot", "POST", r"/attached-policies/.+", "ListAttachedPolicies"),
    ("iot", "PUT", r"/thing-groups/addThingToThingGroup", "AddThingToThingGroup"),
    ("iot", "POST", r"/keys-and-certificate", "CreateKeysAndCertificate"),
    ("iot", "GET", r"/endpoint", "DescribeEndpoint"),
    ("iot", "GET", r"/event-configurations", "DescribeEventConfigurations"),
    ("sns", "POST", r"/", "Publish"),
)
"""Operations of AWS IoT, method and path, and the one of Amazon SNS that is used (botocore, `service-2.json`)."""

_CODES: Mapping[Fault, Mapping[str, str]] = {
    Fault.REFUSED: {"dynamodb": "ValidationException", "sqs": "InvalidParameterValue", "": "InvalidRequestException"},
    Fault.DENIED: {"iot-data": "ForbiddenException", "": "AccessDeniedException"},
    Fault.THROTTLED: {"sqs": "RequestThrottled", "": "ThrottlingException"},
    Fault.BROKEN: {"dynamodb": "InternalServerError", "": "InternalFailure"},
}
_STATUSES = {Fault.REFUSED: 400, Fault.DENIED: 403, Fault.THROTTLED: 429, Fault.BROKEN: 500}


def _aws_hop(method: str, path: str, headers: Mapping[str, str]) -> str:
    scope = _SCOPE.search(headers.get("authorization", ""))
    service = scope[1] if scope else ""
    service = _BOTO3_NAMES.get(service, service)
    if target := headers.get("x-amz-target"):
        return f"{service} {target.rpartition('.')[2]}"
    plain = urlsplit(path).path
    for _, its_method, pattern, operation in (each for each in _REST if each[0] == service):
        if its_method == method and re.fullmatch(pattern, plain):
            return f"{service} {operation}"
    return f"{service} {method} {plain}"


def _aws_error(hop: str, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """By the protocol of the service: REST-JSON has the code in a header, JSON in the body, query in XML."""
    service = hop.partition(" ")[0]
    code = _CODES[fault].get(service, _CODES[fault][""])
    status = _STATUSES[fault]
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), "Content-Type": "application/json"}
    if service == "sns":
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>as arranged</Message></Error>"
        return status, {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode()
    if service in ("iot", "iot-data", "lambda"):
        headers["x-amzn-ErrorType"] = code
        return status, headers, json.dumps({"message": "as arranged"}).encode()
    if fault in (Fault.DENIED, Fault.THROTTLED):
        status = 400  # of the services with the JSON protocol, whatever it means
    headers["Content-Type"] = "application/x-amz-json-1.0"
    return status, headers, json.dumps({"__type": f"com.amazonaws#{code}", "message": "as arranged"}).encode()


AWS = Dialect(_aws_hop, _aws_error)

# The Things Stack ---------------------------------------------------------------------------------------------------

_SERVERS = {"as": "AS", "ns": "NS", "js": "JS", "edcs": "DCS", "gs": "GS"}


def _things_stack_hop(method: str, path: str, _headers: Mapping[str, str]) -> str:
    parts = urlsplit(path).path.removeprefix("/api/v3/").split("/")
    server = _SERVERS.get(parts[0], "IS")
    names = parts[1:] if parts[0] in _SERVERS else parts
    # Identifiers stand after the names of collections; two of them after a claim.
    shown = ["…" if number and names[number - 1] in _COLLECTIONS else name for number, name in enumerate(names)]
    return f"{server} {method} /{'/'.join(shown)}"


_COLLECTIONS = frozenset({"applications", "devices", "webhooks", "pubsub", "packages", "claim"})


def _things_stack_error(_hop: str, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    errors = things_stack_errors
    error = {
        Fault.REFUSED: errors.validation("end_device.ids.device_id", "as arranged"),
        Fault.DENIED: errors.ApiError(
            errors.PERMISSION_DENIED, "pkg/auth/rights:insufficient_application_rights", "insufficient rights"
        ),
        Fault.THROTTLED: errors.rate_limited("http", 60, 1),
        Fault.BROKEN: errors.ApiError(errors.INTERNAL, "pkg/webmiddleware:http_recovered", "Internal Server Error"),
    }[fault]
    headers = {"Content-Type": "application/json", **error.headers}
    return _STATUSES[fault], headers, json.dumps(error.body()).encode()


THINGS_STACK = Dialect(_things_stack_hop, _things_stack_error)
