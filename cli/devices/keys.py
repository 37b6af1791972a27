"""A device's key pair, made on this machine, and the files or the object that it is handed out in.

AWS receives a signing request, which holds the public key alone. Of a new device, the private key is written before the
certificate is requested. Of a rotation, everything is written or printed before the certificate can connect: as the
newest one, it is the one that stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.errors import Failed
from cli.output import print_json, say
from cli.output_file import written
from thingbridge.devices.credentials import Credentials

PRIVATE_KEY: Final = "private.key"
FILES: Final = {
    PRIVATE_KEY: "privateKey",
    "public.key": "publicKey",
    "certificate.pem": "certificatePem",
    "ca.pem": "caCertificate",
}
"""File → field of the credentials."""

SETTINGS: Final = "device.json"
"""The other fields: where the device connects to, and as what."""


@dataclass(frozen=True)
class KeyPair:
    """A key pair and its signing request, in PEM."""

    private_key: str
    public_key: str
    csr: str

    def completed(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Credentials with the keys, which AWS has not seen."""
        return {**fields, "privateKey": self.private_key, "publicKey": self.public_key}


def make(name: str) -> KeyPair:
    """A new key on the curve P-256, which AWS IoT accepts and small devices can use."""
    # Imported here: the other commands start faster without it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has at most 64 characters (X.520); nothing relies on it.
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return KeyPair(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        request.public_bytes(Encoding.PEM).decode(),
    )


@contextmanager
def kept(directory: Path, pair: KeyPair) -> Iterator[None]:
    """Write the private key before the block; if that fails, remove it again: there is no certificate for it.

    Raises Failed when the directory has credentials already, or can't be written.
    """
    _prepare(directory)
    path = directory / PRIVATE_KEY
    with written(path, private=True) as file:
        file.write(pair.private_key)
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


class HandedOutInFiles:
    """The credentials of a rotation, in a directory. Raises Failed when it has credentials already."""

    def __init__(self, directory: Path, pair: KeyPair) -> None:
        self._directory, self._pair = directory, pair
        _prepare(directory)

    def give(self, credentials: Credentials) -> None:
        with written(self._directory / PRIVATE_KEY, private=True) as file:
            file.write(self._pair.private_key)
        write(self._directory, self._pair.completed(credentials.fields()))

    def take_back(self) -> None:
        for name in (*FILES, SETTINGS):
            (self._directory / name).unlink(missing_ok=True)

    @property
    def left(self) -> str | None:
        """Where credentials are that were not taken back, None if there are none."""
        return f"in {self._directory}" if (self._directory / PRIVATE_KEY).exists() else None


class HandedOutAsJson:
    """The credentials of a rotation, on standard output."""

    def __init__(self, pair: KeyPair) -> None:
        self._pair = pair
        self.left: str | None = None

    def give(self, credentials: Credentials) -> None:
        print_json(self._pair.completed(credentials.fields()))
        self.left = "that were printed"

    def take_back(self) -> None:
        if self.left:
            say("The credentials that were printed are not valid: their certificate was deleted.")
        self.left = None


def _prepare(directory: Path) -> None:
    """Create a directory for credentials. Raises Failed when it has some already, or can't be created."""
    if existing := [name for name in (*FILES, SETTINGS) if (directory / name).exists()]:
        raise Failed(f"{directory} has {', '.join(existing)} already: choose another --directory")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(f"{directory} can't be created: {error.strerror or error}") from error


def write(directory: Path, credentials: Mapping[str, Any]) -> None:
    """Write what belongs to the private key, which `kept` has written."""
    for name, field in FILES.items():
        if name != PRIVATE_KEY:
            with written(directory / name, private=True) as file:
                file.write(credentials[field])
    rest = {field: value for field, value in credentials.items() if field not in FILES.values()}
    with written(directory / SETTINGS, private=True) as file:
        json.dump(rest, file, indent=2)
        file.write("\n")
