"""Parameters: read, replaced, and missing without an error."""

from collections.abc import Callable

import pytest

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import NotPermitted
from thingbridge.aws.parameters import Parameters
from thingbridge.errors import Refused


def test_a_parameter_is_read_after_it_was_written_and_replaced(clients: Clients) -> None:
    parameters = Parameters(clients)
    assert parameters.read("/farm/record") is None
    for text in ("{}", '{"attempt": "1"}'):
        parameters.write("/farm/record", text)
        assert parameters.read("/farm/record") == text


def test_a_text_that_is_too_long_is_refused_and_a_missing_right_is_named_as_such(
    clients: Clients, answer_with: Callable[[str, str, int, str], None]
) -> None:
    answer_with("ssm", "PutParameter", 400, "ValidationException")
    with pytest.raises(Refused, match="write the parameter /farm/record"):
        Parameters(clients).write("/farm/record", 4097 * "x")
    answer_with("ssm", "GetParameter", 400, "AccessDeniedException")
    with pytest.raises(NotPermitted, match="read the parameter /farm/record"):
        Parameters(clients).read("/farm/record")
