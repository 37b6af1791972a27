"""Tokens that AWS IoT admits: what is signed, how, and that a key signs one token."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from thingbridge.encryption import tokens
from thingbridge.encryption.tokens import SignedToken


@pytest.fixture(scope="module")
def created() -> SignedToken:
    return tokens.create()


def test_a_token_is_signed_as_aws_iot_checks_it(created: SignedToken) -> None:
    key = serialization.load_pem_public_key(created.public_key.encode())
    assert created.public_key.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    key.verify(base64.b64decode(created.signature), created.token.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert tokens.is_signed(created.token, created.signature, created.public_key)


def test_a_token_fits_into_headers_names_its_key_and_is_not_shown(created: SignedToken) -> None:
    assert created.token == hashlib.sha256(created.public_key.encode()).hexdigest()
    assert (created.token + created.signature).isascii()
    assert not {"\n", " "} & set(created.signature)
    assert created.signature not in repr(created)
    assert tokens.create().token != created.token


@pytest.mark.parametrize("signature", ["", "not base64!", "QQ==", base64.b64encode(bytes(256)).decode()])
def test_another_signature_does_not_fit(created: SignedToken, signature: str) -> None:
    assert not tokens.is_signed(created.token, signature, created.public_key)


def test_another_token_or_key_does_not_fit(created: SignedToken) -> None:
    assert not tokens.is_signed("another", created.signature, created.public_key)
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = elliptic.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert not tokens.is_signed(created.token, created.signature, pem.decode())
