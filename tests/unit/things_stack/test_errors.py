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
    assert str(error) == f"create tank-7: The Things Stack answered 409: {TAKEN['message']}"


@pytest.mark.parametrize("body", [None, "<html>", [], {}, {"details": []}, {"details": 7}, {"details": [None]}])
def test_a_body_of_another_shape_gives_its_status(body: Any) -> None:
    answer = errors.read_answer(502, body)
    assert (answer.namespace, answer.name, answer.message) == ("", "", "HTTP status 502")


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, ThingsStackRefused), (401, ApiKeyRefused), (403, ApiKeyRefused), (404, NotFound), (409, Conflict)],
)
def test_the_status_decides_the_error(status: int, expected: type[Exception]) -> None:
    assert type(errors.refused("read tank-7", errors.read_answer(status, {}))) is expected


ABSENT = {"details": [{"namespace": "pkg/networkserver", "name": "device_not_found"}]}
FULL = {"code": 8, "details": [{"namespace": "pkg/networkserver", "name": "downlink_queue_capacity"}]}
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
