"""Secrets: cached for a few minutes, read again on request."""

from typing import Any

import pytest

from tests.unit.conftest import AnswerWith, Clock
from tests.unit.lent_clients import LentClients
from thingbridge.aws.clients import Clients
from thingbridge.aws.direct import Direct
from thingbridge.aws.secret_versions import SecretVersion, current_version
from thingbridge.aws.secrets import TIME_TO_LIVE, Secrets
from thingbridge.aws.signing import Credentials
from thingbridge.errors import Busy, Misconfigured


@pytest.fixture
def arn(clients: Clients) -> str:
    created = clients("secretsmanager").create_secret(Name="farm/ApplicationAPIKey", SecretString="first")
    return str(created["ARN"])


def rotate(clients: Clients, arn: str) -> None:
    clients("secretsmanager").put_secret_value(SecretId=arn, SecretString="second")


def test_a_rotated_secret_is_used_when_the_cached_one_expires(clients: Clients, arn: str) -> None:
    clock = Clock()
    secrets = Secrets(clients, now=clock)
    assert secrets.read(arn) == "first"
    rotate(clients, arn)
    clock.now = TIME_TO_LIVE - 1
    assert secrets.read(arn) == "first"
    clock.now = TIME_TO_LIVE
    assert secrets.read(arn) == "second"


def test_a_secret_is_read_again_at_once_on_request(clients: Clients, arn: str) -> None:
    secrets = Secrets(clients)
    secrets.read(arn)
    rotate(clients, arn)
    assert secrets.read(arn, refresh=True) == "second"


def test_a_caller_may_require_a_secret_that_is_not_older_than_a_minute(clients: Clients, arn: str) -> None:
    clock = Clock()
    secrets = Secrets(clients, now=clock)
    secrets.read(arn)
    rotate(clients, arn)
    clock.now = 59
    assert secrets.read(arn, max_age=60) == "first"
    clock.now = 60
    assert secrets.read(arn, max_age=60) == "second"


@pytest.mark.parametrize("direct", [Direct({}, "eu-west-1", Credentials("key", "secret", None)), None])
@pytest.mark.usefixtures("clients")
def test_a_secret_of_another_region_is_read_there(session: LentClients, direct: Direct | None) -> None:
    elsewhere = session.in_region("eu-west-3").client("secretsmanager")
    arn = str(elsewhere.create_secret(Name="farm/ApplicationAPIKey", SecretString="theirs")["ARN"])
    clients = Clients(session, direct=direct)
    assert Secrets(clients).read(arn) == "theirs"
    assert SecretVersion(clients, current_version(clients, arn)).read(arn) == "theirs"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(400, "AccessDeniedException", Misconfigured), (500, "InternalServiceError", Busy)],
)
def test_the_error_names_the_secret_that_can_not_be_read(
    clients: Clients, answer_with: AnswerWith, status: int, code: str, error: type[Any]
) -> None:
    answer_with("secretsmanager", "GetSecretValue", status, code)
    with pytest.raises(error, match="read the secret arn:x"):
        Secrets(clients).read("arn:x")


def test_a_binary_secret_is_the_operators_to_fix(clients: Clients) -> None:
    arn = clients("secretsmanager").create_secret(Name="binary", SecretBinary=b"key")["ARN"]
    with pytest.raises(Misconfigured, match="must be text"):
        Secrets(clients).read(arn)


def test_a_secret_that_is_being_deleted_is_the_operators_to_fix(clients: Clients) -> None:
    arn = clients("secretsmanager").create_secret(Name="key", SecretString="text")["ARN"]
    clients("secretsmanager").delete_secret(SecretId=arn)
    with pytest.raises(Misconfigured, match="restore-secret"):
        Secrets(clients).read(arn)
