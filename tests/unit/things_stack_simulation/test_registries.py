"""Rights, field masks, per-server state and the errors of the device registries and an application's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.things_stack import ThingsStack
from local.things_stack.description import DEVICES_READ, DEVICES_WRITE, DOCUMENTED_RIGHTS, READ_KEYS, SETTINGS

from .conftest import APP, DEV_EUI, DEVICE, JOIN_EUI, Client, error_of

IDS = {"device_id": DEVICE, "dev_eui": DEV_EUI.lower(), "join_eui": JOIN_EUI}
DEVICES = f"/applications/{APP}/devices"
NS_FIELDS = ["supports_join", "lorawan_version", "lorawan_phy_version", "frequency_plan_id"]
NS_DEVICE = {"ids": IDS, "supports_join": True, "lorawan_version": "1.0.3", "lorawan_phy_version": "1.0.3-a",
             "frequency_plan_id": "EU_863_870_TTN"}  # fmt: skip
KEYS = {"root_keys": {"app_key": {"key": "ab" * 16}}}


# Keys and rights -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("nonsense", (400, "pkg/auth:token")),
        ("NNSXS.UNKNOWN.SECRET", (401, "pkg/identityserver:api_key_not_found")),
        (None, (403, "pkg/auth/rights:no_application_rights")),
    ],
)
def test_a_key_that_is_none_is_refused(simulation: ThingsStack, token: str | None, expected: tuple[int, str]) -> None:
    assert error_of(Client(simulation, token).call("GET", DEVICES)) == expected


def test_a_key_with_a_wrong_secret_is_refused(simulation: ThingsStack, client: Client) -> None:
    assert error_of(Client(simulation, f"{client.token}X").call("GET", "/auth_info")) == (
        401, "pkg/identityserver:invalid_authorization")  # fmt: skip


def test_a_key_that_was_deleted_is_unknown(simulation: ThingsStack, client: Client) -> None:
    assert client.token is not None
    simulation.delete_api_key(client.token)
    assert client.call("GET", DEVICES).status_code == 401


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


def test_a_keys_rights_can_be_asked_for(client: Client) -> None:
    assert set(client.json("GET", f"/applications/{APP}/rights")["rights"]) == set(DOCUMENTED_RIGHTS)
    info = client.json("GET", "/auth_info")["api_key"]
    assert info["entity_ids"] == {"application_ids": {"application_id": APP}}
    assert set(info["api_key"]["rights"]) == set(DOCUMENTED_RIGHTS)


# Identity Server -----------------------------------------------------------------------------------------------------
def test_a_device_is_created_read_by_mask_updated_and_deleted(simulation: ThingsStack, client: Client) -> None:
    body = {"ids": IDS, "name": "Tank", "network_server_address": "127.0.0.1:8080"}
    created = client.json("POST", DEVICES, {"end_device": body})
    assert created["ids"]["dev_eui"] == DEV_EUI
    assert created["created_at"]
    read = client.json("GET", f"{DEVICES}/{DEVICE}", field_mask="name")
    assert set(read) == {"ids", "created_at", "updated_at", "name"}
    change = {"end_device": {"name": "Vat", "description": "unmasked"}, "field_mask": {"paths": ["name"]}}
    assert client.json("PUT", f"{DEVICES}/{DEVICE}", change)["name"] == "Vat"
    assert "description" not in simulation.servers.identity.devices[APP, DEVICE]
    assert client.json("DELETE", f"{DEVICES}/{DEVICE}") == {}
    assert error_of(client.call("GET", f"{DEVICES}/{DEVICE}")) == (404, "pkg/identityserver/store:end_device_not_found")


def test_ids_and_euis_can_be_taken(simulation: ThingsStack, device: str, client: Client) -> None:
    assert error_of(client.call("POST", DEVICES, {"end_device": {"ids": IDS}})) == (409, "pkg/util/store:id_taken")
    answer = client.call("POST", DEVICES, {"end_device": {"ids": {**IDS, "device_id": "tank-8"}}})
    assert error_of(answer) == (409, "pkg/identityserver:end_device_euis_taken")
    assert answer.json()["details"][0]["attributes"] == {
        "join_eui": JOIN_EUI, "dev_eui": DEV_EUI, "device_id": DEVICE, "application_id": APP}  # fmt: skip


def test_devices_are_listed_in_pages_and_found_by_eui(simulation: ThingsStack, client: Client) -> None:
    for number in range(5):
        simulation.register_device(APP, device_id=f"tank-{number}", dev_eui=f"{number:016x}")
    page = client.call("GET", DEVICES, limit=2, page=3)
    assert page.headers["X-Total-Count"] == "5"
    assert [item["ids"]["device_id"] for item in page.json()["end_devices"]] == ["tank-4"]
    assert client.json("GET", DEVICES, limit=2, page=4) == {}
    found = client.json("GET", f"/search{DEVICES}", dev_eui_contains=f"{3:016X}")
    assert [item["ids"]["device_id"] for item in found["end_devices"]] == ["tank-3"]


# Join, Network and Application Server --------------------------------------------------------------------------------
def test_each_server_knows_only_what_it_was_sent(simulation: ThingsStack, client: Client) -> None:
    assert client.set_device("ns", NS_DEVICE, NS_FIELDS).status_code == 200
    assert client.call("GET", f"/as{DEVICES}/{DEVICE}").status_code == 404
    assert client.call("GET", f"/js{DEVICES}/{DEVICE}").status_code == 404
    assert list(simulation.servers.network.devices) == [(APP, DEVICE)]
    kept = client.json("GET", f"/ns{DEVICES}/{DEVICE}", field_mask=",".join(NS_FIELDS))
    assert (kept["lorawan_version"], kept["lorawan_phy_version"]) == ("MAC_V1_0_3", "RP001_V1_0_3_REV_A")
    simulation.assert_no_violations()


@pytest.mark.parametrize("missing", ["lorawan_version", "lorawan_phy_version", "frequency_plan_id"])
def test_the_network_server_needs_versions_and_a_plan(client: Client, missing: str) -> None:
    answer = client.set_device("ns", NS_DEVICE, [path for path in NS_FIELDS if path != missing])
    assert error_of(answer) == (400, "pkg/networkserver:field_value")
    assert answer.json()["details"][0]["attributes"] == {"field": missing}


def test_the_network_server_knows_its_plans(client: Client) -> None:
    answer = client.set_device("ns", {**NS_DEVICE, "frequency_plan_id": "KR_920_923"}, NS_FIELDS)
    assert error_of(answer) == (404, "pkg/frequencyplans:not_found")
    plans = client.json("GET", "/configuration/frequency-plans")["frequency_plans"]
    assert "KR_920_923_TTN" in {plan["id"] for plan in plans}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"ids": IDS, "root_keys": {"app_key": {"key": "00" * 16}}}, "pkg/joinserver:field_value"),
        ({"ids": IDS}, "pkg/joinserver:field_value"),
        ({"ids": {"dev_eui": DEV_EUI}, **KEYS}, "pkg/joinserver:no_join_eui"),
        ({"ids": {"join_eui": JOIN_EUI}, **KEYS}, "pkg/joinserver:no_dev_eui"),
    ],
)
def test_the_join_server_needs_euis_and_a_real_key(client: Client, body: dict[str, Any], expected: str) -> None:
    assert error_of(client.set_device("js", body, ["root_keys.app_key.key"])) == (400, expected)


def test_the_euis_of_a_device_stay(client: Client) -> None:
    client.set_device("js", {"ids": IDS, **KEYS}, ["root_keys.app_key.key"])
    other = {"ids": {**IDS, "dev_eui": "00" * 7 + "01"}, **KEYS}
    assert error_of(client.set_device("js", other, ["root_keys.app_key.key"])) == (
        400, "pkg/joinserver/redis:read_only_field")  # fmt: skip
    assert error_of(client.set_device("js", {"ids": {**IDS, "device_id": "tank-8"}, **KEYS}, ["root_keys.app_key.key"],
                                      "tank-8")) == (409, "pkg/internal/registry:end_device_euis_taken")  # fmt: skip


def test_a_masked_path_without_a_value_is_cleared(device: str, client: Client) -> None:
    formatters = {"formatters": {"up_formatter": "FORMATTER_CAYENNELPP"}}
    client.set_device("as", {"ids": IDS, **formatters}, ["formatters"])
    client.set_device("as", {"ids": IDS}, ["formatters"])
    assert "formatters" not in client.json("GET", f"/as{DEVICES}/{DEVICE}", field_mask="formatters")


def test_what_the_server_decides_can_not_be_written(device: str, client: Client) -> None:
    past = "2001-01-01T00:00:00Z"
    client.set_device("as", {"ids": IDS, "created_at": past, "updated_at": past}, ["created_at", "updated_at"])
    assert client.json("GET", f"/as{DEVICES}/{DEVICE}")["created_at"] > past


# An application's settings -------------------------------------------------------------------------------------------
def test_link_and_activation_settings_are_set_read_and_deleted(simulation: ThingsStack, client: Client) -> None:
    link, settings = f"/as/applications/{APP}/link", f"/js/applications/{APP}/settings"
    assert client.call("GET", link).status_code == 404
    change = {"link": {"skip_payload_crypto": True}, "field_mask": {"paths": ["skip_payload_crypto"]}}
    assert client.json("PUT", link, change) == {"skip_payload_crypto": True}
    assert client.json("DELETE", link) == {}
    kek = {
        "settings": {"kek_label": "arn:aws:x", "kek": {"key": "01" * 16}},
        "field_mask": {"paths": ["kek_label", "kek"]},
    }
    without_label = {"settings": kek["settings"], "field_mask": {"paths": ["kek"]}}
    assert error_of(client.call("POST", settings, without_label)) == (400, "pkg/joinserver:field_mask")
    unnamed = {"settings": {"kek": {"key": "01" * 16}}, "field_mask": {"paths": ["kek_label", "kek"]}}
    assert error_of(client.call("POST", settings, unnamed)) == (400, "pkg/joinserver:no_kek_label")
    assert error_of(client.call("POST", settings, {"settings": {}})) == (400, "pkg/joinserver:field_mask")
    assert client.json("POST", settings, kek)["kek_label"] == "arn:aws:x"
    assert client.json("GET", settings, field_mask="kek_label") == {"kek_label": "arn:aws:x"}
    assert client.json("DELETE", settings) == {}
    assert client.call("DELETE", settings).status_code == 404
    simulation.assert_no_violations()


@pytest.mark.parametrize(
    ("path", "name", "record", "mask"),
    [
        (f"/as/webhooks/{APP}/hook-1", "webhook", {"base_url": "http://127.0.0.1:9", "format": "json"},
         ["base_url", "format"]),
        (f"/as/applications/{APP}/packages/associations/198", "default", {"package_name": "storage", "data": {"a": 1}},
         ["package_name", "data"]),
        (f"/as/pubsub/{APP}/nats-1", "pubsub", {"format": "json", "nats": {"server_url": "nats://x"}},
         ["format", "provider.nats"]),
    ],
)  # fmt: skip
def test_integrations_are_set_read_and_deleted(
    simulation: ThingsStack, client: Client, path: str, name: str, record: dict[str, Any], mask: list[str]
) -> None:
    client.json("PUT", path, {name: record, "field_mask": {"paths": mask}})
    read = client.json("GET", path, field_mask=",".join(mask))
    assert {key: read[key] for key in record} == record
    assert client.json("DELETE", path) == {}
    assert client.call("GET", path).status_code == 404
    assert client.call("DELETE", path).status_code == 404
    simulation.assert_no_violations()


def test_an_integration_needs_all_three_rights(with_rights: Callable[..., Client]) -> None:
    body = {"pubsub": {"format": "json", "nats": {}}, "field_mask": {"paths": ["format", "provider"]}}
    answer = with_rights(SETTINGS).call("PUT", f"/as/pubsub/{APP}/nats-1", body)
    assert answer.json()["details"][0]["attributes"]["missing"] == [
        "RIGHT_APPLICATION_TRAFFIC_READ", "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE"]  # fmt: skip


# Claiming ------------------------------------------------------------------------------------------------------------
def test_a_device_is_claimed_once_and_unclaimed(simulation: ThingsStack, client: Client) -> None:
    join_eui = "70B3D57ED0000000"
    simulation.claimable(join_eui=join_eui, dev_eui=DEV_EUI, authentication_code="SECRET1")
    assert client.json("POST", "/edcs/claim/info", {"join_eui": join_eui})["supports_claiming"]
    assert "supports_claiming" not in client.json("POST", "/edcs/claim/info", {"join_eui": JOIN_EUI})

    def claim(code: str, dev_eui: str = DEV_EUI) -> Any:
        identifiers = {"join_eui": join_eui, "dev_eui": dev_eui, "authentication_code": code}
        return client.call("POST", "/edcs/claim", {
            "authenticated_identifiers": identifiers, "target_application_ids": {"application_id": APP},
            "target_device_id": DEVICE})  # fmt: skip

    ttjs = "pkg/deviceclaimingserver/enddevices/ttjsv2"
    assert error_of(claim("WRONG")) == (400, f"{ttjs}:device_access_denied")
    assert error_of(claim("SECRET1", "00" * 8)) == (404, f"{ttjs}:device_not_provisioned")
    assert claim("SECRET1").json()["device_id"] == DEVICE
    assert error_of(claim("SECRET1")) == (400, f"{ttjs}:device_access_denied")
    client.json("POST", DEVICES, {"end_device": {"ids": {**IDS, "join_eui": join_eui}}})
    client.set_device("ns", {**NS_DEVICE, "ids": {**IDS, "join_eui": join_eui}}, NS_FIELDS)
    client.set_device("as", {"ids": {**IDS, "join_eui": join_eui}}, ["ids.dev_eui"])
    assert simulation.network.join(APP, DEVICE).kind == "join_accept"  # without the cluster's Join Server
    claimed = f"/edcs/claim/{APP}/devices/{DEVICE}"
    assert client.json("GET", claimed)["end_device_ids"]["dev_eui"] == DEV_EUI
    assert client.json("DELETE", claimed) == {}
    assert error_of(client.call("DELETE", claimed)) == (404, f"{ttjs}:device_not_claimed")
    simulation.assert_no_violations()
