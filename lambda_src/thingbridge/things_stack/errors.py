"""Error answers of The Things Stack, as this product's short error tree.

Shape of an error body: `{"code", "message", "details": [error]}`, with `namespace`, `name`, `message_format`,
`attributes` and `cause` of the error.
A `cause` has the same fields and may have a cause of its own; the innermost says what is wrong, those around it only
where. The API's gateway answers without `details` when it can't read a request.

Only what The Things Stack itself refuses is a refusal (`Answer.means_no`). The error page of a proxy, or of a server
that is not The Things Stack, says nothing about a device; in particular, its 404 does not mean that a device does not
exist.
"""

import re
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

_FINAL: Final = frozenset(
    {
        # 429, but not a rate limit: a device may take days to empty its queue.
        "downlink_queue_capacity",
        # 504, after one second: the downlink encoder of the device or its application does not end.
        "pkg/scripting/javascript:script_timeout",
    }
)
_TRANSIENT: Final = frozenset(
    {
        # 409: another request changed the same record at the same time (TTS `pkg/redis`).
        "pkg/redis:transaction_failed",
    }
)
"""Errors, by name or by namespace and name, whose status says otherwise. An encoder that throws (`script`) or returns
errors (`output_errors`) is answered with 409 and needs no entry: it is final, as its status says."""

_SAY_LESS: Final = frozenset(
    {
        # They do not name what is absent or taken.
        "pkg/redis:not_found",
        "pkg/util/store:already_exists",
        # It does not say what took too long, such as a script.
        "pkg/errors:context_deadline_exceeded",
    }
)
"""Causes that say less than the error around them."""

_OTHER_SERVERS: Final = re.compile("(?:network|application|join)_server_address_mismatch")
"""The Identity Server has other servers on record for the application (TTS `pkg/identityserver`)."""

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_PREFIX: Final = re.compile(r"error:\S+ \((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """An error answer: HTTP status, the error's namespace and name (`end_device_euis_taken`), and its message.

    `message` is what the innermost cause says, as one sentence. `causes`: `namespace:name` of the error and its causes.
    `diagnostics`: the `DownlinkQueueOperationErrorDetails` of a downlink refused because of its session or counter.
    `has_code`: whether the body has the API's own error code, as no proxy's has.
    """

    status: int
    namespace: str
    name: str
    message: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    has_code: bool = False
    causes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The message, with the error's name by which it can be looked up; that of a validation says nothing."""
        return f"{self.message} ({self.name})" if self.name not in ("", "validation") else self.message

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
        if self._is_listed(_TRANSIENT):
            return False
        return self.is_of_things_stack and (self.status in _REFUSALS or self._is_listed(_FINAL))

    def _is_listed(self, errors: frozenset[str]) -> bool:
        return self.name in errors or not errors.isdisjoint(self.causes)


class _Answered(ThingbridgeError):
    def __init__(self, operation: str, answer: Answer) -> None:
        super().__init__(f"{operation}: The Things Stack answered {answer.status}: {answer.text}")
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
    chain = _chain(details[0]) if details else []
    first = chain[0] if chain else {}
    return Answer(
        status,
        str(first.get("namespace", "")),
        str(first.get("name", "")),
        _sentence(chain, str(body.get("message") or f"HTTP status {status}")),
        _diagnostics(details),
        has_code=isinstance(body.get("code"), int),
        causes=tuple(map(_full_name, chain)),
    )


def _chain(error: Any) -> list[Mapping[str, Any]]:
    """An error and its causes, the innermost last."""
    found: list[Mapping[str, Any]] = []
    while isinstance(error, Mapping):
        found.append(error)
        error = error.get("cause")
    return found


def _full_name(error: Mapping[str, Any]) -> str:
    return f"{error.get('namespace', '')}:{error.get('name', '')}"


def _sentence(chain: list[Mapping[str, Any]], message: str) -> str:
    """What the innermost error says. `message`: that of the answer, for an error without a text of its own."""
    telling = [each for each in chain if each.get("message_format") and _full_name(each) not in _SAY_LESS]
    if not telling:
        prefixed = _PREFIX.fullmatch(message)
        return prefixed[1] if prefixed else message
    error = telling[-1]
    given = error.get("attributes")
    attributes = given if isinstance(given, Mapping) else {}
    if _OTHER_SERVERS.fullmatch(str(error.get("name"))) and attributes.get("expected"):
        expected = attributes["expected"]
        return f"the servers of the application are at {expected}: set cluster_address to {expected}"
    if error.get("name") == "validation" and "field" in attributes:
        return f"{attributes['field']}: {attributes.get('reason', 'is invalid')}"
    return _PLACEHOLDER.sub(lambda found: _printed(attributes.get(found[1], found[0])), str(error["message_format"]))


def _printed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


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
