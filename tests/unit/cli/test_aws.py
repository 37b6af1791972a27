"""What a person reads of AWS's errors: one sentence with the fix."""

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)

from cli.aws import sentence, stops_everything
from tests.unit.cli.conftest import Run
from tests.unit.conftest import AnswerWith
from thingbridge.aws.errors import translate_errors
from thingbridge.errors import Refused, ThingbridgeError

DEVICE = (
    *(
        "--dev-eui",
        "A81758FFFE0312AB",
        "--join-eui",
        "A81758FFFE000001",
        "--app-key",
        "0123456789ABCDEF0123456789ABCDEF",
    ),
    *("--lorawan-version", "1.0.3", "--regional-parameters-version", "1.0.3-a"),
)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as arranged"}}, "CreateThing")


def raised(error: BotoCoreError | ClientError) -> ThingbridgeError:
    """What an adapter raises for it."""
    with pytest.raises(ThingbridgeError) as caught, translate_errors("create the thing tank"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (NoRegionError(), "add --region"),
        (NoCredentialsError(), "aws sso login"),
        (UnauthorizedSSOTokenError(), "renew it with `aws sso login`"),
        (EndpointConnectionError(endpoint_url="http://localhost:1"), "AWS_ENDPOINT_URL"),
        (refused("AccessDeniedException"), "AWS does not allow CreateThing: request that permission"),
        (refused("ExpiredTokenException"), "log in again"),
        (refused("InvalidRequestException"), "AWS refused CreateThing: InvalidRequestException: as arranged"),
        (refused("InvalidSignatureException"), "renew the credentials"),
        (refused("ResourceNotFoundException"), "the thing type does not exist"),
    ],
)
def test_an_error_names_its_fix_in_one_line(error: BotoCoreError | ClientError, part: str) -> None:
    assert part in sentence(raised(error))
    assert "\n" not in sentence(raised(error))


def test_an_error_before_any_call_names_its_fix_too() -> None:
    assert "aws configure list-profiles" in sentence(ProfileNotFound(profile="x"))


def test_an_error_that_is_not_of_aws_keeps_its_own_sentence() -> None:
    assert sentence(Refused("the thing type is deprecated")) == "the thing type is deprecated"


@pytest.mark.parametrize(
    ("error", "everything"),
    [
        (refused("AccessDeniedException"), True),
        (refused("ExpiredTokenException"), True),
        (refused("InvalidSignatureException"), True),
        (EndpointConnectionError(endpoint_url="http://localhost:1"), True),
        (ParamValidationError(report="thingName is too short"), False),
        (refused("ThrottlingException"), False),
        (refused("InvalidRequestException"), False),
    ],
)
def test_what_would_fail_for_every_row_stops_an_import(error: BotoCoreError | ClientError, everything: bool) -> None:
    assert stops_everything(raised(error)) is everything


def test_a_deprecated_thing_type_ends_a_command_with_its_fix(run: Run, iot: Any) -> None:
    iot.deprecate_thing_type(thingTypeName="lorawan")
    result = run("things", "create", *DEVICE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "undo that with `aws iot deprecate-thing-type --thing-type-name lorawan --undo-deprecate`" in result.stderr


def test_a_missing_permission_ends_a_command_with_a_sentence(run: Run, answer_with: AnswerWith) -> None:
    answer_with("iot", "ListThings", 403, "AccessDeniedException")
    result = run("things", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("✗ AWS does not allow ListThings: request that permission")


def test_a_profile_that_does_not_exist_ends_a_command_with_a_sentence(run: Run) -> None:
    result = run("things", "list", "--profile", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("✗ The config profile (nobody) could not be found")


def test_a_command_works_in_the_region_that_it_is_given(run: Run) -> None:
    result = run("export", "--region", "us-east-1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "✗ the stack Farm does not exist in us-east-1: no stack exists there; choose another --region or --profile\n"
    )


@pytest.mark.parametrize("command", [("things", "list"), ("import", "x"), ("export",)])
def test_wrong_usage_has_an_exit_code_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.delenv("THINGBRIDGE_STACK")
    assert run(*command).exit_code == 2
