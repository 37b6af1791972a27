"""Clients of AWS without boto3: the few calls that every message costs, over connections that are kept.

Importing boto3 and creating its clients takes most of a function's cold start, and its layers take most of the
processor time of a call. A client here has those methods of boto3's client that are listed in `_SERVICES`, with the
same arguments and answers; for every other method it imports boto3. When a call is tried again is decided in `retries`,
what an error means in `errors`.

Every call here may be repeated after a failure, as boto3 repeats them: messages are published at least once, a shadow
is merged, a write with a version or a condition finds out that it was made, and so is one that a queue schedules.
"""

import io
import json
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import quote

from thingbridge.aws.connection import Answer, Connection
from thingbridge.aws.errors import AwsError
from thingbridge.aws.retries import ATTEMPTS, Retries
from thingbridge.aws.signing import Credentials, Signer

_LEFT_TO_BOTO3: Final = frozenset(
    {
        *("AWS_CA_BUNDLE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_DUALSTACK_ENDPOINT"),
        *("AWS_USE_FIPS_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    }
)
"""Variables whose meaning boto3 knows: where one of them is set, it makes every call."""


class Direct:
    """What direct clients are made from: endpoints, region, and the credentials of the function's role.

    `pause` and `seconds` (to connect and to read) are others in tests.
    """

    def __init__(
        self,
        endpoints: Mapping[str, str],
        region: str,
        credentials: Credentials,
        *,
        pause: Callable[[float], None] = time.sleep,
        **seconds: float,
    ) -> None:
        """`endpoints`: URL by service, for those that are called directly."""
        self._endpoints, self._region, self._credentials = endpoints, region, credentials
        self._pause, self._seconds = pause, seconds
        # Reads the certificates of all authorities, once: while a function starts, it has more processor time.
        secure = any(url.startswith("https://") for url in endpoints.values())
        self._context = ssl.create_default_context() if secure else None

    @property
    def region(self) -> str:
        """The region of all clients."""
        return self._region

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self | None:
        """As a function's environment says; None if it says too little, or what only boto3 understands.

        IOT_ENDPOINT is the host of AWS IoT's data plane in this account and region. The hosts of the other services end
        as it does (`eu-west-1.amazonaws.com`), in every partition. Credentials are fixed as long as a process of Lambda
        lives, except with SnapStart, which gives none in variables.
        """
        host, region = environment.get("IOT_ENDPOINT"), environment.get("AWS_REGION")
        keys = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        if not (host and region and keys[0] and keys[1]) or _LEFT_TO_BOTO3 & environment.keys():
            return None
        anywhere = environment.get("AWS_ENDPOINT_URL")
        suffix = host.partition(".iot.")[2]
        endpoints = {"iot-data": f"https://{host}"}
        for name, service in _SERVICES.items():
            if suffix and name not in endpoints:
                endpoints[name] = f"https://{service.host}.{suffix}"
            if chosen := environment.get(f"AWS_ENDPOINT_URL_{service.id}") or anywhere:
                endpoints[name] = chosen
        return cls(endpoints, region, Credentials(keys[0], keys[1], environment.get("AWS_SESSION_TOKEN")))

    def client(
        self,
        service: str,
        counted: Callable[[str], None],
        boto3_client: Callable[[str], Any],
        attempts: int | None = None,
    ) -> "DirectClient | None":
        """The client of a service by its boto3 name; None for one that only boto3 calls.

        `attempts`: how often each request is sent at most; None: as often as by default.
        `counted` is called with the operation of each request, `boto3_client` with the service when boto3 is needed.
        """
        if service not in self._endpoints:
            return None
        described = _SERVICES[service]
        url = self._endpoints[service]
        context = self._context if url.startswith("https://") else None
        caller = _Caller(
            lambda: Connection(url, context, **self._seconds),
            Signer(self._credentials, self._region, described.signing_name),
            counted,
            Retries(self._pause, attempts or ATTEMPTS),
        )
        return described.client(service, caller, boto3_client)


class _Caller:
    """Sends the requests of one service, signed and counted.

    Each request has a connection to itself, so there are as many as requests were under way at once.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        signer: Signer,
        counted: Callable[[str], None],
        retries: Retries,
    ) -> None:
        self._connect, self._signer, self._counted, self._retries = connect, signer, counted, retries
        self._idle = [connect()]
        self._host = self._idle[0].host

    def call(self, operation: str, method: str, path: str, *request: Any) -> bytes:
        """Send a request, given as to `begin`, and await its answer."""
        return self.begin(operation, method, path, *request)()

    def begin(
        self,
        operation: str,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Callable[[], bytes]:
        """Send a request. What it returns awaits the answer: its body, or AwsError or Unreachable is raised."""
        headers = {"host": self._host, **(headers or {})}
        begun = [self._begin(operation, method, path, query, headers, body)]

        def attempt() -> bytes:
            await_answer = begun.pop() if begun else self._begin(operation, method, path, query, headers, body)
            return await_answer()

        return lambda: self._retries.carry_out(attempt)

    def _begin(
        self, operation: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Callable[[], bytes]:
        self._counted(operation)
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signed = self._signer.signed(method, path, query, headers, body, at)
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        await_answer = connection.begin(method, f"{path}?{query}" if query else path, signed, body)

        def answered() -> bytes:
            try:
                answer = await_answer()
            finally:
                self._idle.append(connection)
            if answer.is_success:
                return answer.body
            raise _error(operation, answer)

        return answered


def _error(operation: str, answer: Answer) -> AwsError:
    """An error by AWS's protocols REST-JSON and JSON: where its code is depends on the service."""
    try:
        body = json.loads(answer.body) if answer.body else {}
    except ValueError:
        body = answer.body.decode(errors="replace")
    if not isinstance(body, dict):
        body = {"message": str(body)}
    code = (
        answer.headers.get("x-amzn-query-error", "").partition(";")[0]
        or answer.headers.get("x-amzn-errortype")
        or body.get("code")
        or body.get("Code")
        or body.get("__type")
        or answer.status
    )
    code = str(code).partition(":")[0].rpartition("#")[2]
    return AwsError(operation, answer.status, code, str(body.get("message") or body.get("Message") or ""), body)


# The services: the methods of boto3's clients that are called directly ------------------------------------------------


class DirectClient:
    """A client whose other methods are boto3's."""

    def __init__(self, service: str, caller: _Caller, boto3_client: Callable[[str], Any]) -> None:
        self._service, self._caller, self._boto3_client = service, caller, boto3_client

    def __getattr__(self, method: str) -> Any:
        return getattr(self._boto3_client(self._service), method)


_BYTES: Final = {"content-type": "application/octet-stream"}


class _DataPlane(DirectClient):
    """AWS IoT's data plane: REST, bodies are bytes."""

    def publish(self, *, topic: str, qos: int, payload: bytes) -> None:
        self.begin_publish(topic=topic, qos=qos, payload=payload)()

    def begin_publish(self, *, topic: str, qos: int, payload: bytes) -> Callable[[], object]:
        """Not a method of boto3's client: what it returns awaits the answer, and raises what `publish` does."""
        path = f"/topics/{quote(topic, safe='-_.~')}"
        return self._caller.begin("Publish", "POST", path, f"qos={qos}", _BYTES, payload)

    def update_thing_shadow(self, *, thingName: str, payload: bytes, shadowName: str | None = None) -> dict[str, Any]:  # noqa: N803
        path, query = _shadow(thingName, shadowName)
        return {"payload": io.BytesIO(self._caller.call("UpdateThingShadow", "POST", path, query, _BYTES, payload))}

    def get_thing_shadow(self, *, thingName: str, shadowName: str | None = None) -> dict[str, Any]:  # noqa: N803
        path, query = _shadow(thingName, shadowName)
        return {"payload": io.BytesIO(self._caller.call("GetThingShadow", "GET", path, query))}


def _shadow(thing_name: str, shadow_name: str | None) -> tuple[str, str]:
    """Path and query of a shadow."""
    query = "" if shadow_name is None else f"name={quote(shadow_name, safe='-_.~')}"
    return f"/things/{quote(thing_name, safe='-_.~')}/shadow", query


class _ThingRegistry(DirectClient):
    """AWS IoT's control plane: REST, bodies are JSON."""

    def describe_thing(self, *, thingName: str) -> dict[str, Any]:  # noqa: N803
        path = f"/things/{quote(thingName, safe='-_.~')}"
        return dict(json.loads(self._caller.call("DescribeThing", "GET", path)))


class _Json(DirectClient):
    """A service with the JSON protocol: the operation is in a header."""

    def _call(self, target: str, version: str, request: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
        body = json.dumps(request).encode()
        return dict(json.loads(self._caller.call(target.rpartition(".")[2], "POST", "/", "", headers, body) or b"{}"))


class _SecretsManager(_Json):
    def get_secret_value(self, **request: Any) -> dict[str, Any]:
        answer = self._call("secretsmanager.GetSecretValue", "1.1", request)
        return {**answer, "CreatedDate": datetime.fromtimestamp(answer["CreatedDate"], UTC)}


class _DynamoDB(_Json):
    """Attributes of a binary type, which JSON has as base64, are not converted: no table here has one."""

    def delete_item(self, **request: Any) -> dict[str, Any]:
        return self._call("DynamoDB_20120810.DeleteItem", "1.0", request)

    def get_item(self, **request: Any) -> dict[str, Any]:
        return self._call("DynamoDB_20120810.GetItem", "1.0", request)

    def query(self, **request: Any) -> dict[str, Any]:
        return self._call("DynamoDB_20120810.Query", "1.0", request)

    def update_item(self, **request: Any) -> dict[str, Any]:
        return self._call("DynamoDB_20120810.UpdateItem", "1.0", request)


class _Sqs(_Json):
    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        return self._call("AmazonSQS.GetQueueAttributes", "1.0", request)

    def send_message(self, **request: Any) -> dict[str, Any]:
        return self._call("AmazonSQS.SendMessage", "1.0", request)


class _Service:
    """A service: as the variable of its endpoint names it, its host, its signing name, and its client."""

    def __init__(self, id: str, host: str, signing_name: str, client: type[DirectClient]) -> None:  # noqa: A002
        self.id, self.host, self.signing_name, self.client = id, host, signing_name, client


_SERVICES: Final[Mapping[str, _Service]] = {
    "dynamodb": _Service("DYNAMODB", "dynamodb", "dynamodb", _DynamoDB),
    "iot": _Service("IOT", "iot", "iot", _ThingRegistry),
    "iot-data": _Service("IOT_DATA_PLANE", "data-ats.iot", "iotdata", _DataPlane),
    "secretsmanager": _Service("SECRETS_MANAGER", "secretsmanager", "secretsmanager", _SecretsManager),
    "sqs": _Service("SQS", "sqs", "sqs", _Sqs),
}
"""By boto3's name of the service (AWS's own descriptions, `service-2.json` of botocore)."""
