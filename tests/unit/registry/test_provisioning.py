"""The steps that create an end device: order, contents and field masks."""

from dataclasses import replace

import pytest

from tests import cases
from thingbridge.registry import attributes, provisioning
from thingbridge.registry.attributes import NewDevice
from thingbridge.registry.marks import Mark, Owner
from thingbridge.registry.provisioning import Place, Server, Step, creation_steps

DEVICE = NewDevice(
    device_id="tank-7",
    dev_eui="A81758FFFE0312AB",
    join_eui="A81758FFFE000001",
    mac_version="MAC_V1_0_3",
    phy_version="PHY_V1_0_3_REV_A",
    frequency_plan_id="EU_863_870_TTN",
    app_key="01" * 16,
    nwk_key=None,
)


FARM = Owner("eu-west-1", "123456789012", "Farm")
PLACE = Place("farm-app", "eu1.example.com", Mark("barn", FARM))


def steps(device: NewDevice = DEVICE) -> tuple[Step, ...]:
    return creation_steps(device, PLACE)


def test_the_steps_have_the_order_that_can_be_undone() -> None:
    assert [step.server for step in steps()] == [
        Server.IDENTITY,
        Server.JOIN,
        Server.NETWORK,
        Server.APPLICATION,
    ]


def test_root_keys_are_sent_to_the_join_server_only() -> None:
    receiving = {step.server for step in steps() if DEVICE.app_key in str(step)}
    assert receiving == {Server.JOIN}


def test_a_1_0_device_is_never_given_a_network_key() -> None:
    for version, keys in (("MAC_V1_0_4", {"app_key"}), ("MAC_V1_1", {"app_key", "nwk_key"})):
        device = DEVICE._replace(mac_version=version, nwk_key="02" * 16)
        join = steps(device)[1]
        assert join.end_device["root_keys"].keys() == keys
        assert {path.split(".")[1] for path in join.paths if path.startswith("root_keys")} == keys


def test_every_field_that_a_server_gets_is_in_its_mask() -> None:
    for step in steps()[1:]:
        fields = {field for field in step.end_device if field != "ids"}
        assert fields == {path.split(".")[0] for path in step.paths if not path.startswith("ids.")}


def test_a_claimed_device_is_claimed_between_identity_and_network_and_has_no_join_server() -> None:
    claimed = DEVICE._replace(app_key=None, claim_authentication_code="C0DE")
    servers = [step.server for step in steps(claimed)]
    assert servers == [Server.IDENTITY, Server.CLAIMING, Server.NETWORK, Server.APPLICATION]
    assert "join_server_address" not in steps(claimed)[0].end_device
    assert [step.server for step in steps(claimed) if "C0DE" in str(step)] == [Server.CLAIMING]


def test_a_device_is_created_with_the_mark_of_its_thing_and_stack() -> None:
    assert steps()[0].end_device["attributes"] == {
        "aws-iot-thing": "eu-west-1/123456789012/Farm/unfinished/00000000/barn"
    }


def test_a_device_is_created_without_a_mark_that_is_too_long() -> None:
    place = replace(PLACE, mark=Mark("t" * 128, replace(FARM, stack_name="s" * 40)))
    assert creation_steps(DEVICE, place)[0].end_device["attributes"] == {}


RELAYS = cases.load("6-class-c-and-receive-delay")


def test_the_network_server_gets_the_class_and_the_mac_settings_of_a_thing() -> None:
    thing = {
        "devEUI": "0011AA22BB33CC16",
        "joinEUI": "0011AA22BB000000",
        "lorawanVersion": "1.0.2",
        "regionalParametersVersion": "1.0.2-b",
        "appKey": "00112233445566778899AABBCCDDEEFF",
    }
    thing |= RELAYS["expected"]["things"][0]
    network = steps(attributes.new_device(thing, "EU_863_870_TTN"))[2]
    assert network.end_device.items() >= RELAYS["expected"]["network_server"].items()
    assert set(network.paths) >= set(RELAYS["expected"]["paths"])
    change = provisioning.settings_step("relay-1", "farm-app", attributes.network_settings(thing))
    assert change.end_device.items() >= RELAYS["expected"]["network_server"].items()
    assert set(change.paths) >= set(RELAYS["expected"]["paths"])


@pytest.mark.parametrize(
    ("known", "changed"),
    [
        ({"mac_settings": {"rx1_delay": {"value": "RX_DELAY_5"}}}, []),
        ({"supports_class_b": True, "mac_settings": {"rx1_delay": {}}}, ["supports_class_b", "mac_settings.rx1_delay"]),
        ({}, ["mac_settings.rx1_delay"]),
    ],
)
def test_what_an_answer_leaves_out_is_false(known: dict[str, object], changed: list[str]) -> None:
    wanted = {"supports_class_b": False, "mac_settings.rx1_delay": {"value": "RX_DELAY_5"}}
    assert list(provisioning.changed(wanted, known)) == changed


def test_a_flag_of_the_mac_layer_that_is_unset_is_not_one_that_is_false() -> None:
    wanted = {"mac_settings.supports_32_bit_f_cnt": {"value": False}}
    assert provisioning.changed(wanted, {"mac_settings": {}}) == wanted
    assert provisioning.changed(wanted, {"mac_settings": {"supports_32_bit_f_cnt": {}}}) == {}
