"""The authorities whose certificates are accepted from servers of The Things Stack, and what a refused one is called.

A The Things Stack of one's own often has a certificate of a private authority. It is trusted in addition to the public
ones: an application may move between a hosted deployment and one's own.
"""

import ssl
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from thingbridge.errors import Misconfigured

VARIABLE: Final = "cluster_ca_certificate"
"""The root module's variable for the certificate."""

_UNKNOWN: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's results of a verification that found no trusted authority at the end of the chain (`X509_V_ERR_…`)."""


class UnknownAuthority(Misconfigured):
    """The certificate of a server is signed by an authority that is not trusted."""

    def __init__(self, operation: str, host: str) -> None:
        super().__init__(
            f"{operation}: unknown authority: the certificate of {host} is not signed by a trusted one; "
            f"set {VARIABLE} to the certificate of the authority that signed it"
        )
        self.host = host


def ends(certificate: str) -> float | None:
    """When the first of these certificates of authorities (PEM) is no longer valid, in Unix seconds.

    None if none of them is one of an authority. Raises Misconfigured if it can't be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, certificate)
    return min((ssl.cert_time_to_seconds(str(each["notAfter"])) for each in context.get_ca_certs()), default=None)


def _load(context: ssl.SSLContext, certificate: str) -> None:
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError) as error:
        raise Misconfigured(f"{VARIABLE} must be a certificate in PEM: it can't be read") from error


class PrivateAuthority(HTTPAdapter):
    """Connections over TLS that trust an authority in addition to the public ones.

    `certificate`: its certificate, or several, in PEM. Raises Misconfigured if it can't be read.
    """

    def __init__(self, certificate: str) -> None:
        # Read once: requests by itself reads the public authorities for every connection.
        self._context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
        _load(self._context, certificate)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Called by requests: the pool of connections gets the context."""
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002
        """Called by requests for each connection: verified, with what the context trusts."""
        conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir = "CERT_REQUIRED", None, None


def verification(error: requests.RequestException) -> ssl.SSLCertVerificationError | None:
    """The failed verification of a certificate that an error comes from; None if it has another cause."""
    found: Any = error
    while found is not None and not isinstance(found, ssl.SSLCertVerificationError):
        # requests and urllib3 put the cause into the arguments, or into an attribute.
        inner = [getattr(found, "reason", None), *getattr(found, "args", ())]
        found = next((each for each in inner if isinstance(each, Exception)), None)
    return found if isinstance(found, ssl.SSLCertVerificationError) else None


def is_unknown_authority(error: ssl.SSLCertVerificationError) -> bool:
    """Whether no trusted authority was found, rather than an expired certificate or another host's."""
    return error.verify_code in _UNKNOWN
