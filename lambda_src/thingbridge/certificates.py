"""A client certificate, as both ends know it: AWS IoT makes it, The Things Stack connects with it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Certificate:
    """`id` is AWS IoT's, `pem` the certificate itself; only an `active` one can connect."""

    id: str
    active: bool
    pem: str


@dataclass(frozen=True)
class NewCertificate(Certificate):
    """A certificate that was just made. AWS keeps no copy of the private key: this is the only one."""

    private_key: str = field(repr=False)
