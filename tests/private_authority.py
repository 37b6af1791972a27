"""A private authority, and a server with a certificate of it: what a The Things Stack of one's own has."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """An authority: its certificate in PEM, and what it signs with."""

    pem: str
    _certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str) -> Authority:
        """A new authority with a certificate that it signed itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        certificate = _builder(subject, subject, key).add_extension(x509.BasicConstraints(True, None), critical=True)
        signed = certificate.sign(key, hashes.SHA256())
        return cls(_pem(signed), signed, key)

    def context(self, directory: Path, *, expired: bool = False) -> ssl.SSLContext:
        """A server's TLS with a certificate for localhost and 127.0.0.1; files are written into `directory`."""
        key = ec.generate_private_key(ec.SECP256R1())
        ended = DAY if expired else -DAY
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        builder = _builder(_name("localhost"), self._certificate.subject, key, _now() - ended)
        certificate = builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        file = directory / "server.pem"
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        file.write_text(_pem(certificate) + private.decode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@contextmanager
def serving(context: ssl.SSLContext, application: WSGIApplication) -> Iterator[str]:
    """The URL of a server over TLS."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def passing_to(url: str) -> WSGIApplication:
    """An application that passes each request to a server without TLS."""

    @Request.application
    def application(request: Request) -> Response:
        passed = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                request.method,
                f"{url}{request.full_path.removesuffix('?')}",
                headers=passed,
                data=request.get_data(),
                timeout=10,
            )
        return Response(answer.content, answer.status_code, content_type=answer.headers["Content-Type"])

    return application


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Nothing: a test reads answers, and a client that refuses the certificate ends the connection."""


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime.datetime | None = None
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(_now() - 2 * DAY)
        .not_valid_after(end or _now() + DAY)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
