"""A stack's integration in each mode, and an AWS account in memory."""

import itertools
from collections.abc import Callable, Mapping

import pytest

from thingbridge.aws.certificates import NewCertificate
from thingbridge.encryption import tokens
from thingbridge.encryption.tokens import SignedToken
from thingbridge.errors import Misconfigured
from thingbridge.flows.ingest import iot_core
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration

ROLE = "arn:aws:iam::111122223333:role/Farm-things-stack"
SETTINGS = {
    IngestMode.PUBSUB: {"role_arn": ROLE, "external_id": "b5b5a2a0"},
    IngestMode.PACKAGE: {
        "role_arn": ROLE,
        "external_id": None,
        "f_port": 198,
        "data_fields": {"region": "region", "stack_name": "stack_name", "role_arn": "role_arn", "external_id": None},
    },
    IngestMode.WEBHOOK: {"url": "https://abc.lambda-url.eu-west-1.on.aws/", "secret_arn": "arn:secret"},
    IngestMode.WEBHOOK_IOT_CORE: {
        "url": "https://example-ats.iot.eu-west-1.amazonaws.com",
        "authorizer_name": "Farm-webhook",
        "authorizer_function_arn": "arn:aws:lambda:eu-west-1:111122223333:function:Farm-authorizer",
        "token_version": 1,
    },
    IngestMode.MQTT: {
        "server_url": "mqtts://127.0.0.1:1",
        "ca_certificate": None,
        "client_id": "tts-0123456789abcdef",
        "policy_name": "Farm-things-stack",
        "certificate_version": 1,
    },
    IngestMode.MANUAL: {},
}


class Certificates:
    """The certificates of one policy in memory; their ids count them."""

    def __init__(self) -> None:
        self.created = 0
        self.existing: dict[str, NewCertificate] = {}

    def attached(self, _policy_name: str) -> list[NewCertificate]:
        return list(self.existing.values())

    def create(self, _policy_name: str) -> NewCertificate:
        self.created += 1
        id_ = f"certificate-{self.created}"
        self.existing[id_] = NewCertificate(id_, True, f"PEM of {id_}\n", f"key of {id_}")
        return self.existing[id_]

    def delete(self, certificate_id: str, policy_name: str) -> None:
        self.existing.pop(certificate_id, None)


@pytest.fixture
def certificates() -> Certificates:
    return Certificates()


class Authorizers:
    """Authorizers in memory: name → token → key. `admits`: whether AWS IoT takes a token that is well signed."""

    def __init__(self) -> None:
        self.existing: dict[str, dict[str, str]] = {}
        self.admits, self.history = True, list[set[str]]()

    def keys(self, name: str) -> dict[str, str] | None:
        return self.existing.get(name)

    def put(self, name: str, _function_arn: str, token_header: str, keys: Mapping[str, str]) -> None:
        assert token_header == iot_core.TOKEN_HEADER
        self.existing[name] = dict(keys)
        self.history.append(set(keys))

    def check(self, name: str, token: str, signature: str) -> None:
        if not self.admits or not tokens.is_signed(token, signature, self.existing[name][token]):
            raise Misconfigured("not admitted")

    def delete(self, name: str) -> None:
        self.existing.pop(name, None)


class Tokens:
    """Real tokens, the same few for all tests: a key takes longer to make than the rest of a test."""

    def __init__(self) -> None:
        self._next = itertools.cycle([tokens.create() for _ in range(3)])

    def create(self) -> SignedToken:
        return next(self._next)

    def is_signed(self, token: str, signature: str, public_key: str) -> bool:
        return tokens.is_signed(token, signature, public_key)


@pytest.fixture(scope="session")
def few_tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def authorizers() -> Authorizers:
    return Authorizers()


@pytest.fixture
def account(certificates: Certificates, authorizers: Authorizers, few_tokens: Tokens) -> Account:
    return Account(
        secret=lambda arn: f"text of {arn}",
        certificates=certificates,
        authorizers=authorizers,
        tokens=lambda: few_tokens,
    )


@pytest.fixture
def integration() -> Callable[..., Integration]:
    """Make an integration of a mode, with `changes` to its settings."""

    def make(mode: IngestMode, **changes: object) -> Integration:
        return Integration(mode, "111122223333", "eu-west-1", "Farm", {**SETTINGS[mode], **changes})

    return make
