"""A request to the receiver's public URL: admitted or rejected, and what is published.

Anyone can call the URL. So the secret is checked first, and a caller without it learns nothing.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from thingbridge.messaging import topics

SECRET_HEADER: Final = "X-Thingbridge-Secret"  # noqa: S105 (a name)
LARGEST_BODY: Final = 128 * 1024
"""Bytes: the largest payload AWS IoT publishes (message broker quota)."""

_EVENTS: Final = frozenset(topics.UPSTREAM_EVENTS.values())


@dataclass(frozen=True)
class Request:
    """A request as a function URL passes it on (payload format 2.0). `secret` is "" without the header."""

    method: str
    path: str
    secret: str
    body: bytes

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> "Request":
        """Read the event of a function URL. A body with invalid base64 counts as empty."""
        text = str(event.get("body") or "")
        try:
            body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
        except (binascii.Error, ValueError):
            body = b""
        context = _object(event.get("requestContext"))
        headers = {str(name).lower(): str(value) for name, value in _object(event.get("headers")).items()}
        return cls(
            method=str(_object(context.get("http")).get("method", "")),
            path=str(event.get("rawPath", "")),
            secret=headers.get(SECRET_HEADER.lower(), ""),
            body=body,
        )

    def has_secret(self, secret: str) -> bool:
        """Whether the request has the secret, compared in constant time."""
        # Encodes any text that a stranger may send, including half a surrogate pair.
        return hmac.compare_digest(self.secret.encode(errors="surrogatepass"), secret.encode())


@dataclass(frozen=True)
class Rejected:
    """A rejected request: the status of the answer, and the reason for the function's own log."""

    status: HTTPStatus
    reason: str


@dataclass(frozen=True)
class Publication:
    """The message to publish: the body unchanged, on the topic that the other modes use."""

    topic: str
    payload: bytes


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def address(url: str, application_id: str) -> str:
    """The base URL of an application's webhook, for the function's `url`.

    It names the application, so that the function does not have to know it: an apply with a mistyped or another
    application changes the function before The Things Stack is configured, and messages come until then.
    """
    return f"{url.rstrip('/')}/{application_id}"


def admit(request: Request, stack_name: str) -> Publication | Rejected:
    """Decide on a request that has the secret."""
    application_id, _, event = request.path.strip("/").partition("/")
    if event not in _EVENTS:
        return Rejected(
            HTTPStatus.NOT_FOUND, f"the path must be an application's ID and a message's path; got {request.path[:64]}"
        )
    if request.method != "POST":
        return Rejected(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method[:16]} instead of POST")
    if len(request.body) > LARGEST_BODY:
        return Rejected(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{len(request.body)} bytes, AWS IoT publishes up to {LARGEST_BODY}"
        )
    try:
        message = json.loads(request.body)
        application = message["end_device_ids"]["application_ids"]["application_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Rejected(
            HTTPStatus.BAD_REQUEST, "the body must be a message of The Things Stack: JSON with end_device_ids"
        )
    if application != application_id:
        return Rejected(
            HTTPStatus.FORBIDDEN, "a message of another application than the one that the webhook was made for"
        )
    return Publication(topics.upstream(stack_name, event), request.body)
