"""What AWS's errors become for a person: one sentence with the mend."""

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

from cli.aws import sentence, stops_everything
from tests.unit.cli.conftest import Run


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "so it is"}}, "CreateThing")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoRegionError(), "add --region"),
        (NoCredentialsError(), "aws sso login"),
        (ProfileNotFound(profile="x"), "aws configure list-profiles"),
        (EndpointConnectionError(endpoint_url="http://localhost:1"), "AWS_ENDPOINT_URL"),
        (refused("AccessDeniedException"), "AWS does not allow CreateThing: ask for that permission"),
        (refused("ExpiredTokenException"), "log in again"),
        (refused("InvalidRequestException"), "AWS refused CreateThing: InvalidRequestException: so it is"),
    ],
)
def test_errors_name_the_mend(error: ClientError, told: str) -> None:
    assert told in sentence(error)
    assert "\n" not in sentence(error)


@pytest.mark.parametrize(
    ("error", "everything"),
    [
        (refused("AccessDeniedException"), True),
        (refused("ExpiredTokenException"), True),
        (refused("InvalidSignatureException"), True),
        (refused("ThrottlingException"), False),
        (refused("InvalidRequestException"), False),
    ],
)
def test_what_would_fail_for_every_row_stops_an_import(error: ClientError, everything: bool) -> None:
    assert stops_everything(error) is everything


def test_a_profile_that_is_not_there_ends_a_command_with_a_sentence(run: Run) -> None:
    result = run("things", "list", "--profile", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("✗ The config profile (nobody) could not be found")


@pytest.mark.parametrize("command", [("things", "list"), ("import", "x"), ("export",)])
def test_wrong_usage_is_told_from_failure(run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.delenv("THINGBRIDGE_STACK")
    assert run(*command).exit_code == 2
