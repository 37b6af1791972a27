"""The Things Stack's errors as HTTP answers: namespace, name, message format, attributes, gRPC code.

The handler of an operation decides which request causes which error; definitions used in several places are here.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 3, 5, 6, 7, 8
FAILED_PRECONDITION, ABORTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 9, 10, 12, 13, 14, 16
HTTP_STATUS = {
    INVALID_ARGUMENT: 400, NOT_FOUND: 404, ALREADY_EXISTS: 409, PERMISSION_DENIED: 403, RESOURCE_EXHAUSTED: 429,
    FAILED_PRECONDITION: 400, ABORTED: 409, UNIMPLEMENTED: 501, INTERNAL: 500, UNAVAILABLE: 503, UNAUTHENTICATED: 401,
    2: 500, 4: 504,
}  # fmt: skip
_STEP = re.compile(r"[^.\[]+(?:\[[^\]]*\])?")
"""One field of a path, with the index or key in it."""
_TYPES = "type.googleapis.com/ttn.lorawan.v3."


@dataclass(eq=False)
class ApiError(Exception):
    """An error of the Stack. `source` is its namespace and name ("pkg/networkserver:field_value"), `text` the message
    format with `{attribute}` placeholders, `cause` the error that it was raised for."""

    code: int
    source: str
    text: str
    attributes: dict[str, Any] = field(default_factory=dict)
    details: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cause: ApiError | None = None

    def __str__(self) -> str:
        filled = re.sub(r"\{(\w+)\}", lambda match: str(self.attributes.get(match[1], match[0])), self.text)
        return f"error:{self.source} ({filled})"

    @property
    def status(self) -> int:
        return HTTP_STATUS[self.code]

    def error_details(self) -> dict[str, Any]:
        """The ErrorDetails message of HTTP answers and of `downlink_failed`."""
        namespace, name = self.source.split(":")
        details: dict[str, Any] = {"namespace": namespace, "name": name, "message_format": self.text}
        if self.attributes:
            details["attributes"] = {
                name: str(value) if isinstance(value, int) else value for name, value in self.attributes.items()
            }
        if self.cause is not None:
            details["cause"] = self.cause.error_details()
        return details | {"correlation_id": uuid.uuid4().hex, "code": self.code}

    def body(self) -> dict[str, Any]:
        details = {"@type": f"{_TYPES}ErrorDetails", **self.error_details()}
        return {"code": self.code, "message": str(self), "details": [details, *self.details]}


class GatewayError(ApiError):
    """An error of the gateway in front of the Stack, which has a message and no details."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, "", message)

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.text}


def validation(path: str, reason: str) -> ApiError:
    """An error for each message on the way to `path` (`downlinks[0].f_port`), around that of the field itself."""
    error: ApiError | None = None
    for name in reversed(_STEP.findall(path)):
        attributes = {"field": name, "reason": reason if error is None else "a field in it is invalid", "name": name}
        error = ApiError(
            INVALID_ARGUMENT, "pkg/errors:validation", "invalid `{field}`: {reason}", attributes, cause=error
        )
    assert error is not None
    if path == "application_id":  # the whole request is an identifier
        return ApiError(INVALID_ARGUMENT, "pkg/ttnpb:identifiers", "invalid identifiers", cause=error)
    return error


def unreadable(path: str, reason: str) -> ApiError:
    """A body that is no message of the operation: a value at `path` ("": the body itself) can't be read."""
    return GatewayError(INVALID_ARGUMENT, f'unmarshal error at path "{path}": {reason}' if path else f"body: {reason}")


def not_found() -> ApiError:
    """What the store of a server answers for a key that is not there."""
    return ApiError(NOT_FOUND, "pkg/redis:not_found", "entity not found")


def forbidden_paths(paths: list[str]) -> ApiError:
    return ApiError(INVALID_ARGUMENT, "pkg/rpcmiddleware/validator:field_mask_paths", "forbidden path(s) in field mask",
                    {"forbidden_paths": paths})  # fmt: skip


def field_value(namespace: str, path: str) -> ApiError:
    return ApiError(INVALID_ARGUMENT, f"{namespace}:field_value", "invalid value of field `{field}`", {"field": path})


def rate_limit_headers(rate: int, available: int, reset: int, retry: int) -> dict[str, str]:
    """The headers of every answer to a request that is limited; `reset` and `retry` in seconds."""
    return {
        "X-Rate-Limit-Limit": str(rate), "X-Rate-Limit-Available": str(available), "X-Rate-Limit-Reset": str(reset),
        "X-Rate-Limit-Retry": str(retry),
    }  # fmt: skip


def rate_limited(key: str, rate: int, retry_after: int) -> ApiError:
    """429 with the Stack's X-Rate-Limit headers; `retry_after` in seconds."""
    headers = rate_limit_headers(rate, 0, retry_after, retry_after)
    return ApiError(RESOURCE_EXHAUSTED, "pkg/ratelimit:rate_limit_exceeded",
                    "rate limit of `{rate}` accesses per minute exceeded for resource `{key}`",
                    {"rate": str(rate), "key": key}, headers=headers)  # fmt: skip


def downlink_queue_details(fields: dict[str, Any]) -> dict[str, Any]:
    """DownlinkQueueOperationErrorDetails: `dev_addr` (base64, unlike in other messages), `session_key_id`,
    `min_f_cnt_down`, each also with `pending_`."""
    return {"@type": f"{_TYPES}DownlinkQueueOperationErrorDetails", **fields}


def application_server_device_not_found(device: tuple[str, str]) -> ApiError:
    """`device` is an application id and a device id."""
    return ApiError(NOT_FOUND, "pkg/applicationserver:device_not_found", "device `{device_uid}` not found",
                    {"device_uid": ".".join(device)})  # fmt: skip
