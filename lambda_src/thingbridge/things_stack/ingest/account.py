"""What a mode needs of the AWS account, as ports: The Things Stack's side knows no AWS client."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from thingbridge.certificates import Certificate, NewCertificate


class Certificates(Protocol):
    """The client certificates that carry one IoT policy: those, and no others, are the stack's own."""

    def attached(self, policy_name: str) -> Sequence[Certificate]:
        """The certificates that carry the policy."""

    def create(self, policy_name: str) -> NewCertificate:
        """Make keys and an active certificate that carries the policy."""

    def delete(self, certificate_id: str) -> None:
        """Deactivate and delete a certificate; one that is gone is taken for deleted."""


@dataclass(frozen=True)
class Account:
    """`secret` gives a secret's text by its ARN, read anew."""

    secret: Callable[[str], str]
    certificates: Certificates
