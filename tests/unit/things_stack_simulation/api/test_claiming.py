"""The Device Claiming Server: claim information, claim, status, unclaim."""

from __future__ import annotations

from typing import Any

import pytest

from local.things_stack import ThingsStack, profiles
from tests.unit.things_stack_simulation.conftest import APP, DEV_EUI, DEVICE, JOIN_EUI, Client, error_of

IDS = {"device_id": DEVICE, "dev_eui": DEV_EUI.lower(), "join_eui": JOIN_EUI}
DEVICES = f"/applications/{APP}/devices"
NS_FIELDS = ["supports_join", "lorawan_version", "lorawan_phy_version", "frequency_plan_id"]
NS_DEVICE = {"ids": IDS, "supports_join": True, "lorawan_version": "1.0.3", "lorawan_phy_version": "1.0.3-a",
             "frequency_plan_id": "EU_863_870_TTN"}  # fmt: skip


@pytest.fixture(scope="module")
def profile() -> str:
    """Only hosted deployments claim."""
    return profiles.HOSTED


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
