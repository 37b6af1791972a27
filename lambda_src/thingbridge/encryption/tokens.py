"""Tokens of an authorizer of AWS IoT, each signed with a key of its own that is not kept.

AWS IoT checks the signature, RSA with PKCS #1 v1.5 and SHA-256 over the token, before it invokes the authorizer (IoT
developer guide, "Signing the token"). So the signature is the secret; the token only says which key it was made with.

Importing this module imports `cryptography`.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_BITS: Final = 2048
"""The least that AWS IoT takes ("Token signing public key")."""

_EXPONENT: Final = 65537


@dataclass(frozen=True)
class SignedToken:
    """A token, its signature in base64, and the key (PEM) that shows who signed it."""

    token: str
    signature: str = field(repr=False)
    public_key: str


def create() -> SignedToken:
    """A token that is signed with a new key, which then exists no more: no other token will be.

    The token is the digest of the public key, 64 hex digits.
    """
    key = rsa.generate_private_key(_EXPONENT, _BITS)
    public_key = (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    token = hashlib.sha256(public_key.encode()).hexdigest()
    signature = key.sign(token.encode(), padding.PKCS1v15(), hashes.SHA256())
    return SignedToken(token, base64.b64encode(signature).decode(), public_key)


def is_signed(token: str, signature: str, public_key: str) -> bool:
    """Whether AWS IoT admits the token with this key."""
    key = serialization.load_pem_public_key(public_key.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), token.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return True
