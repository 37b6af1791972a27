"""Error answers of The Things Stack, as this product's short error tree.

Shape of an error body: `{"code", "message", "details": [{"namespace", "name", "attributes", …}]}`; the message begins
with `error:<namespace>:<name> (<text>)`. The API's gateway answers without `details` when it can't read a request.

Only what The Things Stack itself refuses is a refusal (`Answer.means_no`). The error page of a proxy, or of a server
that is not The Things Stack, says nothing about a device; in particular, its 404 does not mean that a device does not
exist.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from thingbridge.errors import Busy, Misconfigured, Refused, ThingbridgeError

_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""Statuses of definite answers (TTS `pkg/errors`: gRPC codes as HTTP statuses). The others may pass."""

_QUEUE_FULL: Final = "downlink_queue_capacity"
"""An answer with status 429 that is not a rate limit: a device may take days to empty its queue."""


@dataclass(frozen=True)
class Answer:
    """An error answer: HTTP status, the error's namespace and name (`end_device_euis_taken`), its message.

    `diagnostics`: the `DownlinkQueueOperationErrorDetails` of a downlink refused because of its session or counter.
    `has_code`: whether the body has the API's own error code, as no proxy's has.
    """

    status: int
    namespace: str
    name: str
    message: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    has_code: bool = False

    @property
    def is_of_things_stack(self) -> bool:
        """Whether The Things Stack gave this answer.

        A 404 has to name what was not found: the API's gateway gives one with a code alone for a path that this server
        does not have, such as that of a component which runs elsewhere.
        """
        return bool(self.namespace) or (self.has_code and self.status != HTTPStatus.NOT_FOUND)

    @property
    def means_no(self) -> bool:
        """Whether the same request would be refused again, until somebody changes something."""
        if self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return True
        return self.is_of_things_stack and (self.status in _REFUSALS or self.name == _QUEUE_FULL)


class _Answered(ThingbridgeError):
    def __init__(self, operation: str, answer: Answer) -> None:
        super().__init__(f"{operation}: The Things Stack answered {answer.status}: {answer.message}")
        self.answer = answer


class ThingsStackRefused(_Answered, Refused):
    """The Things Stack refused the request: the same request would be refused again."""


class NotFound(ThingsStackRefused):
    """404."""


class Conflict(ThingsStackRefused):
    """409: an id or EUI is taken, or the state does not allow it."""


class ApiKeyRefused(_Answered, Misconfigured):
    """The API key is wrong (401, or 400 for a text that can't be a key), or lacks a right (403)."""


class ThingsStackBusy(Busy):
    """No answer that means yes or no: 429, 5xx, a proxy's page, time-out or no connection, until no time was left.

    `uncertain`: the request, which must not be repeated blindly, may have been carried out all the same.
    """

    def __init__(self, operation: str, reason: str, *, uncertain: bool = False) -> None:
        super().__init__(f"{operation}: {reason}")
        self.reason, self.uncertain = reason, uncertain


_BY_STATUS: dict[int, type[ThingsStackRefused] | type[ApiKeyRefused]] = {
    401: ApiKeyRefused,
    403: ApiKeyRefused,
    404: NotFound,
    409: Conflict,
}


def refused(operation: str, answer: Answer) -> ThingsStackRefused | ApiKeyRefused:
    """The error for an answer that means no."""
    by_status = _BY_STATUS.get(answer.status, ThingsStackRefused)
    return (ApiKeyRefused if answer.namespace == "pkg/auth" else by_status)(operation, answer)


def read_answer(status: int, body: Any) -> Answer:
    """Read an error body; from one of another shape, such as a proxy's page, only the status is used."""
    if not isinstance(body, Mapping):
        return Answer(status, "", "", f"HTTP status {status}")
    given = body.get("details")
    details = given if isinstance(given, list) else []
    first = details[0] if details and isinstance(details[0], Mapping) else {}
    message = str(body.get("message") or f"HTTP status {status}")
    return Answer(
        status,
        str(first.get("namespace", "")),
        str(first.get("name", "")),
        message,
        _diagnostics(details),
        has_code=isinstance(body.get("code"), int),
    )


def _diagnostics(details: Iterable[Any]) -> Mapping[str, Any]:
    """The details of a refused downlink: inside the error's own details (`ErrorDetails.details`), or beside them."""
    for each in details:
        if isinstance(each, Mapping):
            if str(each.get("@type", "")).endswith(".DownlinkQueueOperationErrorDetails"):
                return each
            inner = each.get("details")
            if isinstance(inner, list) and (found := _diagnostics(inner)):
                return found
    return {}
