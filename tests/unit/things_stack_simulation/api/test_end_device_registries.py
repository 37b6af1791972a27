"""The end device registries: field masks, state per server, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from local.things_stack import ThingsStack
from tests.unit.things_stack_simulation.conftest import APP, DEV_EUI, DEVICE, JOIN_EUI, Client, error_of

IDS = {"device_id": DEVICE, "dev_eui": DEV_EUI.lower(), "join_eui": JOIN_EUI}
DEVICES = f"/applications/{APP}/devices"
NS_FIELDS = ["supports_join", "lorawan_version", "lorawan_phy_version", "frequency_plan_id"]
NS_DEVICE = {"ids": IDS, "supports_join": True, "lorawan_version": "1.0.3", "lorawan_phy_version": "1.0.3-a",
             "frequency_plan_id": "EU_863_870_TTN"}  # fmt: skip
KEYS = {"root_keys": {"app_key": {"key": "ab" * 16}}}


# Identity Server ------------------------------------------------------------------------------------------------------
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


def test_ids_and_euis_that_are_taken_are_rejected(simulation: ThingsStack, device: str, client: Client) -> None:
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


# Join, Network and Application Server ---------------------------------------------------------------------------------
def test_each_server_stores_only_what_it_was_sent(simulation: ThingsStack, client: Client) -> None:
    assert client.set_device("ns", NS_DEVICE, NS_FIELDS).status_code == 200
    assert client.call("GET", f"/as{DEVICES}/{DEVICE}").status_code == 404
    assert client.call("GET", f"/js{DEVICES}/{DEVICE}").status_code == 404
    assert list(simulation.servers.network.devices) == [(APP, DEVICE)]
    kept = client.json("GET", f"/ns{DEVICES}/{DEVICE}", field_mask=",".join(NS_FIELDS))
    assert (kept["lorawan_version"], kept["lorawan_phy_version"]) == ("MAC_V1_0_3", "PHY_V1_0_3_REV_A")
    simulation.assert_no_violations()


@pytest.mark.parametrize("missing", ["lorawan_version", "lorawan_phy_version", "frequency_plan_id"])
def test_the_network_server_needs_versions_and_a_plan(client: Client, missing: str) -> None:
    answer = client.set_device("ns", NS_DEVICE, [path for path in NS_FIELDS if path != missing])
    assert error_of(answer) == (400, "pkg/networkserver:field_value")
    assert answer.json()["details"][0]["attributes"] == {"field": missing}


def test_the_network_server_rejects_unknown_frequency_plans(client: Client) -> None:
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
def test_the_join_server_needs_euis_and_a_key_that_is_not_zero(
    client: Client, body: dict[str, Any], expected: str
) -> None:
    assert error_of(client.set_device("js", body, ["root_keys.app_key.key"])) == (400, expected)


def test_the_euis_of_a_device_can_not_change(client: Client) -> None:
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


def test_fields_that_the_server_sets_can_not_be_written(device: str, client: Client) -> None:
    past = "2001-01-01T00:00:00Z"
    client.set_device("as", {"ids": IDS, "created_at": past, "updated_at": past}, ["created_at", "updated_at"])
    assert client.json("GET", f"/as{DEVICES}/{DEVICE}")["created_at"] > past
