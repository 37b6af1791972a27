"""What a new device may be."""

from typing import Any

import pytest

from thingbridge.devices import request
from thingbridge.devices.fleet import DeviceType, Fleet
from thingbridge.errors import BadInput

FLEET = Fleet(
    stack_name="farm",
    region="eu-west-1",
    endpoint="example.com",
    policies=("farm-device",),
    types={"temperature": DeviceType("farm:temperature", "farm:type:temperature")},
    locations={"hall-1": "farm:location:hall-1"},
)
CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"


def test_the_recipes_sensor_is_a_device() -> None:
    attributes = {"manufacturer": "SensorCorp", "model": "TC-2000", "location": "hall-1", "firmware": "1.0.0"}
    device = request.parse({"name": "probe:1", "type": "temperature", "attributes": attributes, "csr": CSR}, FLEET)
    assert device.attributes == {**attributes, "deviceType": "temperature"}
    assert device.csr == CSR
    assert request.groups(device, FLEET) == ("farm:type:temperature", "farm:location:hall-1")


def test_a_device_without_a_place_has_the_group_of_its_type() -> None:
    device = request.parse({"name": "probe-1", "type": "temperature"}, FLEET)
    assert request.groups(device, FLEET) == ("farm:type:temperature",)


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ("probe", "request", "must be a JSON object with name, type, attributes, csr"),
        ({"type": "temperature"}, "name", "must have 1 to 128 of the characters A-Z a-z 0-9 : _ and -"),
        ({"name": "a/b"}, "name", "must have 1 to 128"),
        ({"name": 7}, "name", "must have 1 to 128"),
        ({"type": "pressure"}, "type", "must be a type of the stack farm: temperature; got pressure"),
        ({"type": None}, "type", "got none"),
        ({"serviceBroker": "AWS"}, "serviceBroker", "is not a field of a request"),
        ({"csr": "MIIB"}, "csr", "must be a certificate signing request in PEM"),
        ({"attributes": ["location"]}, "attributes", "must be an object of texts"),
        (
            {"attributes": {"location": "hall-9"}},
            "location",
            "must be a location of the stack farm: hall-1; got hall-9",
        ),
        ({"attributes": {"room name": "1"}}, "attributes.room name", "must have a name of 1 to 128"),
        ({"attributes": {"model": "TC 2000"}}, "attributes.model", "must be a text of 1 to 800"),
        ({"attributes": {"model": ""}}, "attributes.model", "must be a text of 1 to 800"),
        ({"attributes": {"model": 5}}, "attributes.model", "must be a text of 1 to 800"),
        ({"attributes": {"stackName": "farm"}}, "attributes.stackName", "this attribute is for things of The Things"),
        ({"attributes": {"devEUI": "0"}}, "attributes.devEUI", "this attribute is for things of The Things Stack"),
        ({"attributes": {"deviceType": "x"}}, "attributes.deviceType", "this attribute is set to the type"),
        ({"attributes": {f"a{n}": "1" for n in range(50)}}, "attributes", "must be fewer than 50; got 50"),
    ],
)
def test_what_no_device_can_be_is_refused_by_field(given: Any, field: str, reason: str) -> None:
    whole = {"name": "probe-1", "type": "temperature", **given} if isinstance(given, dict) else given
    if given == {"type": "temperature"}:
        del whole["name"]
    with pytest.raises(BadInput) as caught:
        request.parse(whole, FLEET)
    assert caught.value.field == field
    assert reason in caught.value.reason
