"""Custom authorizers, on the local AWS: created or updated, tested, deleted however far that came before."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from local.aws import LocalAws
from local.emulator.probes import Account
from local.emulator.probes.account import Function
from local.emulator.probes.authorizers import permit
from thingbridge.aws.authorizers import Authorizers
from thingbridge.encryption import tokens
from thingbridge.encryption.tokens import SignedToken
from thingbridge.errors import Misconfigured

HEADER = "X-Thingbridge-Token"
DECIDES = """
    def handler(event, context):
        times = {"refreshAfterInSeconds": 3600, "disconnectAfterInSeconds": 86400}
        return {"isAuthenticated": True, "principalId": "Somebody", "policyDocuments": [], **times}
"""


@pytest.fixture(scope="module")
def function(aws: LocalAws) -> Function:
    return Account(aws).function(DECIDES)


@pytest.fixture(scope="module")
def token() -> SignedToken:
    return tokens.create()


@pytest.fixture
def name(aws: LocalAws, function: Function) -> Iterator[str]:
    account = Account(aws)
    name = account.name("authorizer")
    permit(account, function, name)
    yield name
    with suppress(Misconfigured):
        Authorizers(aws.clients).delete(name)


def described(aws: LocalAws, name: str) -> dict[str, Any]:
    return dict(aws.client("iot").describe_authorizer(authorizerName=name)["authorizerDescription"])


def test_an_authorizer_is_created_active_with_its_keys_and_updated(
    aws: LocalAws, function: Function, name: str, token: SignedToken
) -> None:
    authorizers = Authorizers(aws.clients)
    assert authorizers.keys(name) is None
    authorizers.put(name, function.arn, HEADER, {"first": token.public_key})
    found = described(aws, name)
    assert (found["status"], found["signingDisabled"], found["enableCachingForHttp"]) == ("ACTIVE", False, True)
    assert (found["tokenKeyName"], found["authorizerFunctionArn"]) == (HEADER, function.arn)
    authorizers.put(name, function.arn, HEADER, {"second": token.public_key})
    assert authorizers.keys(name) == {"second": token.public_key}


def test_a_token_is_tested_with_its_signature_and_the_function(
    aws: LocalAws, function: Function, name: str, token: SignedToken
) -> None:
    authorizers = Authorizers(aws.clients)
    authorizers.put(name, function.arn, HEADER, {token.token: token.public_key})
    authorizers.check(name, token.token, token.signature)
    with pytest.raises(Misconfigured):
        authorizers.check(name, "another", token.signature)


def test_what_the_function_denies_is_not_admitted() -> None:
    class Denying:
        def test_invoke_authorizer(self, **_: str) -> dict[str, Any]:
            return {"isAuthenticated": False}

    clients: Any = lambda _service: Denying()  # noqa: E731
    with pytest.raises(Misconfigured, match="test the authorizer farm-webhook: AWS IoT does not admit its token"):
        Authorizers(clients).check("farm-webhook", "token", "signature")


def test_an_authorizer_is_deleted_once_and_a_deletion_can_be_repeated(
    aws: LocalAws, function: Function, name: str, token: SignedToken
) -> None:
    authorizers = Authorizers(aws.clients)
    authorizers.put(name, function.arn, HEADER, {token.token: token.public_key})
    # A deletion that was interrupted.
    aws.client("iot").update_authorizer(authorizerName=name, status="INACTIVE")
    for _ in range(2):
        authorizers.delete(name)
    assert authorizers.keys(name) is None
