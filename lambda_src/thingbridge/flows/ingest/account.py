"""What a mode needs of the AWS account."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from thingbridge.aws.authorizers import Authorizers
from thingbridge.aws.certificates import ClientCertificates


class SignedToken(Protocol):
    """A token, its signature in base64, and the key (PEM) that it was signed with."""

    @property
    def token(self) -> str: ...
    @property
    def signature(self) -> str: ...
    @property
    def public_key(self) -> str: ...


class Tokens(Protocol):
    """Makes and checks tokens that AWS IoT admits (`thingbridge.encryption.tokens`)."""

    def create(self) -> SignedToken: ...
    def is_signed(self, token: str, signature: str, public_key: str) -> bool: ...


@dataclass(frozen=True)
class Account:
    """`secret` returns a secret's current text by its ARN; `certificates` are found by the IoT policy they carry.

    `tokens` imports what makes them: only a function with the layer of cryptography can.
    """

    secret: Callable[[str], str]
    certificates: ClientCertificates
    authorizers: Authorizers
    tokens: Callable[[], Tokens]
