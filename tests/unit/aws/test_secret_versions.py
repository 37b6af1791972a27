"""Versions of a secret: the current one, and one that no longer is, each with its own text."""

from collections.abc import Callable

import pytest

from thingbridge.aws.clients import Clients
from thingbridge.aws.secret_versions import SecretVersion, current_version
from thingbridge.errors import Misconfigured


def test_a_former_version_keeps_its_text(clients: Clients, calls: Callable[[], dict[str, int]]) -> None:
    secrets = clients("secretsmanager")
    arn = secrets.create_secret(Name="key", SecretString="first")["ARN"]
    first = current_version(clients, arn)
    secrets.put_secret_value(SecretId=arn, SecretString="second")
    assert SecretVersion(clients, current_version(clients, arn)).read(arn) == "second"
    calls()
    former = SecretVersion(clients, first)
    assert [former.read(arn), former.read(arn)] == ["first", "first"]
    assert calls() == {"GetSecretValue": 1}
    former.read(arn, refresh=True)
    assert calls() == {"GetSecretValue": 1}


def test_a_version_that_is_gone_is_for_an_operator(clients: Clients) -> None:
    arn = clients("secretsmanager").create_secret(Name="key", SecretString="first")["ARN"]
    with pytest.raises(Misconfigured):
        SecretVersion(clients, "00000000-0000-0000-0000-000000000000").read(arn)
