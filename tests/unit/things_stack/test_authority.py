"""TLS with a server whose certificate is of a private authority: trusted when it is given, named when it is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from tests.private_authority import Authority, serving
from tests.unit.conftest import Clock
from thingbridge.errors import Misconfigured
from thingbridge.flows import api_key
from thingbridge.things_stack.authority import UnknownAuthority
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ThingsStackBusy
from thingbridge.things_stack.transport import Transport

ANSWER = Response('{"rights": ["RIGHT_APPLICATION_ALL"]}', content_type="application/json")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Farm Authority")


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(authority.context(tmp_path_factory.mktemp("server")), ANSWER) as url:
        yield url


def client(url: str, ca_certificate: str | None) -> ThingsStack:
    clock = Clock()
    transport = Transport(
        cluster_address=url,
        identity_server_address=url,
        api_key=lambda _refresh: "NNSXS.A.B",
        remaining_seconds=lambda: 30.0 - clock(),
        ca_certificate=ca_certificate,
        now=clock,
        sleep=clock.wait,
    )
    return ThingsStack("farm-app", transport)


def test_a_server_with_a_certificate_of_the_given_authority_is_trusted(server: str, authority: Authority) -> None:
    assert client(server, authority.pem).application.rights() == {"RIGHT_APPLICATION_ALL"}


def test_one_of_several_authorities_is_enough(server: str, authority: Authority) -> None:
    bundle = Authority.create("Another Authority").pem + authority.pem
    assert client(server, bundle).application.rights()


@pytest.mark.parametrize("given", [None, "another"])
def test_an_unknown_authority_is_named_with_the_variable_to_set(server: str, given: str | None) -> None:
    other = Authority.create("Another Authority").pem if given else None
    with pytest.raises(UnknownAuthority) as refused:
        api_key.check(client(server, other), {})
    host = server.removeprefix("https://")
    assert str(refused.value) == (
        f"list the rights of the API key: unknown authority: the certificate of {host} is not signed by a trusted one; "
        "set cluster_ca_certificate to the certificate of the authority that signed it"
    )


def test_an_expired_certificate_is_called_so(authority: Authority, tmp_path: Path) -> None:
    with (
        serving(authority.context(tmp_path, expired=True), ANSWER) as url,
        pytest.raises(ThingsStackBusy, match=r"\(TLS failed: certificate has expired\)"),
    ):
        client(url, authority.pem).application.rights()


def test_what_is_not_a_certificate_is_named() -> None:
    with pytest.raises(Misconfigured, match="cluster_ca_certificate must be a certificate in PEM"):
        client("https://127.0.0.1:9", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
