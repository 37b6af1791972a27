"""Error bodies of The Things Stack, read into the product's error tree."""

from typing import Any

import pytest

from thingbridge.errors import Misconfigured, Refused
from thingbridge.things_stack import errors
from thingbridge.things_stack.errors import ApiKeyRefused, Conflict, NotFound, ThingsStackRefused

TAKEN = {
    "code": 6,
    "message": "error:pkg/identityserver/store:end_device_euis_taken (EUIs are taken)",
    "details": [{"namespace": "pkg/identityserver/store", "name": "end_device_euis_taken"}],
}


def test_an_answer_carries_the_namespace_and_the_name_of_the_error() -> None:
    answer = errors.read_answer(409, TAKEN)
    assert (answer.namespace, answer.name) == ("pkg/identityserver/store", "end_device_euis_taken")
    error = errors.refused("create tank-7", answer)
    assert isinstance(error, Conflict)
    assert str(error) == "create tank-7: The Things Stack answered 409: EUIs are taken (end_device_euis_taken)"


def _validation(field: str, reason: str, cause: dict[str, Any] | None = None) -> dict[str, Any]:
    error = {
        "namespace": "pkg/errors",
        "name": "validation",
        "message_format": "invalid `{field}`: {reason}",
        "attributes": {"field": field, "reason": reason, "name": "SomeValidationError"},
    }
    return error | ({"cause": cause} if cause else {})


EMBEDDED = "embedded message failed"
TOO_LONG = _validation("downlinks[0]", EMBEDDED, _validation("frm_payload", "must be shorter"))
WRAPPED_KEY = {
    "namespace": "pkg/identityserver",
    "name": "api_key_not_found",
    "message_format": "API key not found",
    "cause": {
        "namespace": "pkg/identityserver/store",
        "name": "api_key_not_found",
        "message_format": "no API key `{api_key_id}`",
        "attributes": {"api_key_id": "ABC"},
    },
}
TAKEN_ID = {
    "namespace": "pkg/util/store",
    "name": "id_taken",
    "message_format": "choose a different ID",
    "cause": {"namespace": "pkg/util/store", "name": "already_exists", "message_format": "already exists"},
}
MISSING_RIGHTS = {
    "namespace": "pkg/auth/rights",
    "name": "insufficient_application_rights",
    "message_format": "`{uid}` lacks {missing} {unknown}",
    "attributes": {"uid": "farm-app", "missing": ["RIGHT_A", "RIGHT_B"]},
}
ELSEWHERE = {
    "namespace": "pkg/identityserver",
    "name": "network_server_address_mismatch",
    "message_format": "`{address}` is not `{expected}`",
    "attributes": {"address": "nam1.example.com", "expected": "eu1.example.com"},
}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TOO_LONG, "frm_payload: must be shorter"),
        (_validation("end_device", EMBEDDED, TOO_LONG), "frm_payload: must be shorter"),
        (WRAPPED_KEY, "no API key `ABC` (api_key_not_found)"),
        # What the storage says names nothing.
        (TAKEN_ID, "choose a different ID (id_taken)"),
        (MISSING_RIGHTS, "`farm-app` lacks RIGHT_A, RIGHT_B {unknown} (insufficient_application_rights)"),
        (
            ELSEWHERE,
            (
                "the servers of the application are at eu1.example.com: set cluster_address to eu1.example.com "
                "(network_server_address_mismatch)"
            ),
        ),
    ],
)
def test_an_answer_says_what_its_innermost_cause_says(error: dict[str, Any], sentence: str) -> None:
    answer = errors.read_answer(400, {"code": 3, "message": "error:a:b (outer: inner)", "details": [error]})
    assert answer.text == sentence
    assert str(errors.refused("push", answer)) == f"push: The Things Stack answered 400: {sentence}"


@pytest.mark.parametrize("cause", [7, [], {}, {"cause": {"attributes": 7, "message_format": ["{x}"]}}])
def test_a_cause_of_another_shape_is_read(cause: Any) -> None:
    answer = errors.read_answer(400, {"message": "m", "details": [{"namespace": "n", "name": "e", "cause": cause}]})
    assert (answer.namespace, answer.name) == ("n", "e")
    assert answer.text


@pytest.mark.parametrize("body", [None, "<html>", [], {}, {"details": []}, {"details": 7}, {"details": [None]}])
def test_a_body_of_another_shape_gives_its_status(body: Any) -> None:
    answer = errors.read_answer(502, body)
    assert (answer.namespace, answer.name, answer.message) == ("", "", "HTTP status 502")


def test_what_took_too_long_is_named_whatever_go_adds() -> None:
    added = {
        "namespace": "pkg/errors",
        "name": "context_deadline_exceeded",
        "message_format": "context deadline exceeded",
    }
    error = {**SCRIPT_TIMEOUT["details"][0], "message_format": "script timeout", "cause": added}
    assert errors.read_answer(504, {"code": 4, "details": [error]}).text == "script timeout (script_timeout)"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, ThingsStackRefused), (401, ApiKeyRefused), (403, ApiKeyRefused), (404, NotFound), (409, Conflict)],
)
def test_the_status_decides_the_error(status: int, expected: type[Exception]) -> None:
    assert type(errors.refused("read tank-7", errors.read_answer(status, {}))) is expected


ABSENT = {"details": [{"namespace": "pkg/networkserver", "name": "device_not_found"}]}
FULL = {"code": 8, "details": [{"namespace": "pkg/networkserver", "name": "downlink_queue_capacity"}]}
SCRIPT_TIMEOUT: dict[str, Any] = {
    "code": 4,
    "details": [{"namespace": "pkg/scripting/javascript", "name": "script_timeout"}],
}
TRANSACTION_FAILED: dict[str, Any] = {
    "code": 10,
    "details": [{"namespace": "pkg/redis", "name": "transaction_failed"}],
}
UNREADABLE = {"code": 3, "message": "ReadObjectCB: expect { or n, but found ["}
NO_SUCH_PATH = {"code": 5, "message": "Not Found"}


@pytest.mark.parametrize(
    ("status", "body", "no"),
    [
        (409, TAKEN, True),
        (404, ABSENT, True),
        (400, UNREADABLE, True),
        (412, TAKEN, True),
        (501, {"code": 12, "message": "Method Not Allowed"}, True),
        (429, FULL, True),
        (504, SCRIPT_TIMEOUT, True),
        (
            504,
            {"code": 4, "details": [{"namespace": "pkg/a", "name": "b", "cause": SCRIPT_TIMEOUT["details"][0]}]},
            True,
        ),
        (409, {"code": 10, "details": [{"namespace": "pkg/scripting/javascript", "name": "script"}]}, True),
        (
            409,
            {"code": 10, "details": [{"namespace": "pkg/messageprocessors/javascript", "name": "output_errors"}]},
            True,
        ),
        (401, None, True),
        (403, "<html>", True),
        # A path that this server does not have, a proxy's page, a redirection to a login: nothing about the device.
        (404, NO_SUCH_PATH, False),
        (404, "<html>no default backend</html>", False),
        (404, None, False),
        (400, "<html>", False),
        (302, None, False),
        (409, {"error": "conflict"}, False),
        (413, None, False),
        # The Things Stack, but not its last word.
        (409, TRANSACTION_FAILED, False),
        (
            404,
            {"code": 5, "details": [{"namespace": "pkg/a", "name": "b", "cause": TRANSACTION_FAILED["details"][0]}]},
            False,
        ),
        (504, {"code": 4, "details": [{"namespace": "pkg/errors", "name": "context_deadline_exceeded"}]}, False),
        (408, TAKEN, False),
        (429, {"code": 8, "details": [{"namespace": "pkg/ratelimit", "name": "rate_limit_exceeded"}]}, False),
        (499, {"code": 1, "details": [{"namespace": "pkg/errors", "name": "canceled"}]}, False),
        (500, {"code": 2}, False),
        (503, {"code": 14}, False),
    ],
)
def test_the_answers_that_count_as_a_refusal_are_listed(status: int, body: Any, no: bool) -> None:
    assert errors.read_answer(status, body).means_no is no


def test_a_text_that_can_not_be_an_api_key_is_the_operators_fault_whatever_the_status() -> None:
    answer = errors.read_answer(400, {"details": [{"namespace": "pkg/auth", "name": "invalid_token"}]})
    error = errors.refused("list the rights", answer)
    assert isinstance(error, Misconfigured)
    assert not isinstance(error, Refused)


@pytest.mark.parametrize("nested", [True, False])
def test_the_diagnostics_of_a_refused_downlink_are_found_beside_the_error_or_below_it(nested: bool) -> None:
    details = {"@type": "type.googleapis.com/ttn.lorawan.v3.DownlinkQueueOperationErrorDetails", "dev_addr": "260B1C2D"}
    error = {"namespace": "pkg/applicationserver", "name": "f_cnt_too_low"}
    body = {"details": [{**error, "details": [details]}] if nested else [error, details]}
    assert errors.read_answer(400, body).diagnostics == details
