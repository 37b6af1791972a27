"""API keys and the rights that operations and field masks need."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.things_stack import ThingsStack
from local.things_stack.description.rights import DEVICES_READ, DEVICES_WRITE, DOCUMENTED_RIGHTS, READ_KEYS
from tests.unit.things_stack_simulation.conftest import APP, DEV_EUI, DEVICE, JOIN_EUI, Client, error_of

IDS = {"device_id": DEVICE, "dev_eui": DEV_EUI.lower(), "join_eui": JOIN_EUI}
DEVICES = f"/applications/{APP}/devices"
KEYS = {"root_keys": {"app_key": {"key": "ab" * 16}}}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("nonsense", (400, "pkg/auth:token")),
        ("NNSXS.UNKNOWN.SECRET", (401, "pkg/identityserver:api_key_not_found")),
        (None, (403, "pkg/auth/rights:no_application_rights")),
    ],
)
def test_an_invalid_or_missing_key_is_rejected(
    simulation: ThingsStack, token: str | None, expected: tuple[int, str]
) -> None:
    assert error_of(Client(simulation, token).call("GET", DEVICES)) == expected


def test_a_key_with_a_wrong_secret_is_rejected(simulation: ThingsStack, client: Client) -> None:
    assert error_of(Client(simulation, f"{client.token}X").call("GET", "/auth_info")) == (
        401, "pkg/identityserver:invalid_authorization")  # fmt: skip


def test_a_key_that_was_deleted_is_unknown(simulation: ThingsStack, client: Client) -> None:
    assert client.token is not None
    simulation.delete_api_key(client.token)
    assert client.call("GET", DEVICES).status_code == 401


def test_a_deleted_key_is_remembered_for_two_minutes_by_all_servers_but_the_identity_server(
    simulation: ThingsStack, device: str, client: Client
) -> None:
    assert client.token is not None
    remembering = [f"/{server}{DEVICES}/{device}" for server in ("ns", "as", "js")]
    for path in remembering:
        assert client.call("GET", path).status_code == 200
    simulation.delete_api_key(client.token)
    assert client.call("GET", DEVICES).status_code == 401
    simulation.advance(119)
    assert [client.call("GET", path).status_code for path in remembering] == [200] * 3
    simulation.advance(2)
    assert [client.call("GET", path).status_code for path in remembering] == [401] * 3


def test_changed_rights_are_in_effect_after_two_minutes(simulation: ThingsStack, device: str, client: Client) -> None:
    path = f"/as{DEVICES}/{device}"
    assert client.call("GET", path).status_code == 200
    for key in simulation.servers.identity.api_keys.values():
        key.rights = (DEVICES_WRITE,)
    assert client.call("GET", path).status_code == 200
    simulation.advance(121)
    assert client.call("GET", path).status_code == 403


def test_a_key_of_another_application_has_no_rights(simulation: ThingsStack) -> None:
    simulation.create_application("other-app")
    other = Client(simulation, simulation.create_api_key("other-app"))
    assert error_of(other.call("GET", DEVICES)) == (403, "pkg/auth/rights:no_application_rights")
    assert other.json("GET", f"/applications/{APP}/rights") == {}


def test_a_missing_right_is_named(with_rights: Callable[..., Client]) -> None:
    answer = with_rights(DEVICES_READ).call("DELETE", f"{DEVICES}/{DEVICE}")
    assert error_of(answer) == (403, "pkg/auth/rights:insufficient_application_rights")
    assert answer.json()["details"][0]["attributes"] == {"uid": APP, "missing": [DEVICES_WRITE]}


def test_root_keys_need_the_rights_to_them(device: str, with_rights: Callable[..., Client]) -> None:
    path = f"/js{DEVICES}/{DEVICE}"
    reader = with_rights(DEVICES_READ)
    assert reader.call("GET", path, field_mask="net_id").status_code == 200
    assert reader.call("GET", path, field_mask="root_keys.app_key.key").status_code == 403
    assert with_rights(DEVICES_READ, READ_KEYS).json("GET", path, field_mask="root_keys")["root_keys"]
    writer = with_rights(DEVICES_WRITE)
    assert writer.set_device("js", {"ids": IDS, **KEYS}, ["root_keys.app_key.key"]).status_code == 403


def test_the_rights_of_a_key_can_be_listed(client: Client) -> None:
    assert set(client.json("GET", f"/applications/{APP}/rights")["rights"]) == set(DOCUMENTED_RIGHTS)
    info = client.json("GET", "/auth_info")["api_key"]
    assert info["entity_ids"] == {"application_ids": {"application_id": APP}}
    assert set(info["api_key"]["rights"]) == set(DOCUMENTED_RIGHTS)
