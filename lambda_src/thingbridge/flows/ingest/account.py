"""What a mode needs of the AWS account."""

from collections.abc import Callable
from dataclasses import dataclass

from thingbridge.aws.certificates import ClientCertificates


@dataclass(frozen=True)
class Account:
    """`secret` returns a secret's current text by its ARN; `certificates` are found by the IoT policy they carry."""

    secret: Callable[[str], str]
    certificates: ClientCertificates
