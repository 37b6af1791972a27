"""Error answers of The Things Stack, as this product's short error tree.

Shape of an error body: `{"code", "message", "details": [{"namespace", "name", "attributes", …}]}`; the message begins
with `error:<namespace>:<name> (<text>)`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from thingbridge.errors import Busy, Misconfigured, Refused, ThingbridgeError


@dataclass(frozen=True)
class Answer:
    """An error answer: HTTP status, the error's namespace and name (`end_device_euis_taken`), its message.

    `diagnostics`: the `DownlinkQueueOperationErrorDetails` of a downlink refused because of its session or counter.
    """

    status: int
    namespace: str
    name: str
    message: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


class _Answered(ThingbridgeError):
    def __init__(self, operation: str, answer: Answer) -> None:
        super().__init__(f"{operation}: The Things Stack answered {answer.status}: {answer.message}")
        self.answer = answer


class ThingsStackRefused(_Answered, Refused):
    """A 4xx because of the request: the same request would be refused again."""


class NotFound(ThingsStackRefused):
    """404."""


class Conflict(ThingsStackRefused):
    """409: an id or EUI is taken, or the state does not allow it."""


class ApiKeyRefused(_Answered, Misconfigured):
    """The API key is wrong (401, or 400 for a text that can't be a key), or lacks a right (403)."""


class ThingsStackBusy(Busy):
    """429, 5xx, time-out or no connection, until no time was left for another attempt.

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
    """The error for an answer."""
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
    return Answer(status, str(first.get("namespace", "")), str(first.get("name", "")), message, _diagnostics(details))


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
