"""Provisioning by claim: a device of the list is admitted once, and one outside of it gets nothing and is recorded."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from requests import Response

from tests.unit.flows.devices.conftest import INITIAL, Fail
from thingbridge.aws.allowed_devices import AllowedDevices
from thingbridge.aws.clients import Clients
from thingbridge.aws.things_log import ThingsLog
from thingbridge.devices.admission import Admission, AllowedDevice
from thingbridge.devices.fleet import Fleet
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.devices.provisioning import Provisioning
from thingbridge.flows.devices.registry import DeviceRegistry

PROBE = AllowedDevice("probe-1", "temperature", "hall-3")
REFUSED = {"allowProvisioning": False}

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def allowed(clients: Clients) -> AllowedDevices:
    """The list, with one device."""
    clients("dynamodb").create_table(
        TableName="allowed",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    allowed = AllowedDevices(clients, "allowed")
    allowed.allow(PROBE)
    return allowed


@pytest.fixture
def log(clients: Clients) -> ThingsLog:
    clients("logs").create_log_group(logGroupName="/farm/things")
    return ThingsLog(clients, "/farm/things")


@pytest.fixture(autouse=True)
def written(clients: Clients) -> list[dict[str, Any]]:
    """The shadows that are written: unlike AWS, the account in process takes none before its thing exists."""
    found: list[dict[str, Any]] = []

    def accept(params: dict[str, Any], **_: object) -> tuple[Response, dict[str, Any]]:
        found.append(json.loads(params["body"])["state"])
        answer = Response()
        answer.status_code = 200
        return answer, {"payload": io.BytesIO(b"{}")}

    clients("iot-data").meta.events.register("before-call.iot-data-plane.UpdateThingShadow", accept)
    return found


@pytest.fixture
def flow(
    devices: DeviceRegistry, fleet: Fleet, allowed: AllowedDevices, log: ThingsLog, clients: Clients
) -> Provisioning:
    rules = Admission(fleet, re.compile("(probe|tank)-[0-9]+"))
    clients.take_calls()
    return Provisioning(rules, allowed, devices.things, devices.shadows, log)


@pytest.fixture
def ask(flow: Provisioning) -> Ask:
    """Ask as AWS IoT does for a device that has been given a certificate."""

    def ask(name: object = "probe-1", certificate: str = "first", **parameters: object) -> dict[str, Any]:
        return flow.handle({"certificateId": certificate, "parameters": {"Name": name, **parameters}})

    return ask


@pytest.fixture
def reasons(log: ThingsLog) -> Callable[[str | None], list[str]]:
    """Why devices were refused, in the stream of a thing or in that of the unidentified."""
    return lambda thing: [each["reason"] for each in log.entries(thing) if each["event"] == "provisioning_refused"]


def test_an_allowed_device_gets_what_the_list_says_whatever_it_asks_for(
    ask: Ask, written: list[dict[str, Any]]
) -> None:
    answer = ask(ThingType="farm:pressure", TypeGroup="other:type:pressure", Location="hall-1")
    assert answer == {
        "allowProvisioning": True,
        "parameterOverrides": {
            "Name": "probe-1",
            "Type": "temperature",
            "ThingType": "farm:temperature",
            "TypeGroup": "farm:type:temperature",
            "Location": "hall-3",
            "LocationGroup": "farm:location:hall-3",
        },
    }
    assert written == [INITIAL]


def test_a_name_is_used_by_one_certificate_which_may_ask_again(ask: Ask, reasons: Any, devices: DeviceRegistry) -> None:
    assert ask()["allowProvisioning"]
    # AWS made the thing, and the device did not get the answer.
    devices.things.create("probe-1", {"deviceType": "temperature"}, "farm:temperature")
    assert ask()["allowProvisioning"]
    assert ask(certificate="second") == REFUSED
    (reason,) = reasons("probe-1")
    assert reason.startswith("was provisioned already, with the certificate first: ")
    assert "`thingbridge devices allow --again`" in reason


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda allowed: allowed.use(PROBE, "second", 0),
        lambda allowed: allowed.disallow("probe-1", used=False),
        lambda allowed: allowed.allow(AllowedDevice("probe-1", "pressure", "hall-3")),
    ],
    ids=["used", "taken off", "changed"],
)
def test_an_entry_that_changes_while_it_is_looked_at_is_not_used(
    ask: Ask, reasons: Any, clients: Clients, allowed: AllowedDevices, written: list[Any], meanwhile: Any
) -> None:
    clients("iot").meta.events.register("before-call.iot.DescribeThing", lambda **_: meanwhile(allowed) and None)
    assert ask() == REFUSED
    assert reasons("probe-1") == ["was provisioned, or changed on the list, at the same time"]
    assert not written
    entry = allowed.find("probe-1")
    assert entry is None or entry.used_by in (None, "second")


def test_an_admission_is_recorded_with_its_certificate(ask: Ask, log: ThingsLog) -> None:
    assert ask()["allowProvisioning"]
    (entry,) = log.entries("probe-1")
    assert (entry["event"], entry["certificate"]) == ("provisioning_allowed", "first")


def test_a_shadow_that_is_older_than_its_thing_keeps_its_content(
    ask: Ask, clients: Clients, written: list[Any]
) -> None:
    answer = io.BytesIO(b'{"state": {"desired": {"temperature_threshold": 30}}, "version": 7}')
    found = Response()
    found.status_code = 200
    event = "before-call.iot-data-plane.GetThingShadow"
    clients("iot-data").meta.events.register(event, lambda **_: (found, {"payload": answer}))
    assert ask()["allowProvisioning"]
    assert not written


def test_a_used_name_whose_thing_was_made_by_others_is_refused_even_to_its_certificate(
    ask: Ask, reasons: Any, devices: DeviceRegistry
) -> None:
    assert ask()["allowProvisioning"]
    devices.things.create("probe-1", {}, "lorawan")
    assert ask() == REFUSED
    assert reasons("probe-1") == ["the thing exists with the type lorawan"]


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (AllowedDevice("other-1", "temperature", "hall-3"), "name: must match (probe|tank)-[0-9]+; got other-1"),
        (
            AllowedDevice("probe-1", "temperature", "hall-9"),
            "location: must be a location of the stack farm: hall-3; got hall-9",
        ),
        (AllowedDevice("probe-1", "temperature"), "location: must be a location of the stack farm: hall-3; got none"),
    ],
    ids=["its name", "its location", "no location"],
)
def test_an_entry_that_the_settings_no_longer_allow_is_refused(
    ask: Ask, log: ThingsLog, allowed: AllowedDevices, device: AllowedDevice, reason: str
) -> None:
    allowed.allow(device)
    assert ask(device.name) == REFUSED
    assert [each["reason"] for name in (device.name, None) for each in log.entries(name)] == [reason]


def test_of_two_certificates_at_once_one_gets_the_name_and_the_time_of_its_first_use(
    allowed: AllowedDevices, clients: Clients
) -> None:
    used = [allowed.use(PROBE, each, time) for time, each in enumerate(("first", "second", "first"))]
    assert used == [True, False, True]
    item = clients("dynamodb").get_item(TableName="allowed", Key={"thing": {"S": "probe-1"}})["Item"]
    assert (item["used_by"], item["used_at"]) == ({"S": "first"}, {"N": "0"})


def test_a_name_outside_the_list_is_refused_counted_and_gets_no_stream_of_its_own(
    ask: Ask, reasons: Any, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("probe-2") == REFUSED
    counted = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert [(line["StackName"], line["ProvisioningRefused"]) for line in counted] == [("farm", 1)]
    assert reasons(None) == [
        "the device probe-2 is not on the list of allowed devices: add it with `thingbridge devices allow`"
    ]
    assert not reasons("probe-2")
    assert "UpdateThingShadow" not in clients.take_calls()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("probe-1 ", "name: must have 1 to 128 of the characters A-Z a-z 0-9 : _ and -"),
        (None, "name: must have 1 to 128 of the characters A-Z a-z 0-9 : _ and -"),
    ],
)
def test_a_name_that_no_thing_can_have_is_refused(ask: Ask, reasons: Any, name: object, reason: str) -> None:
    assert ask(name) == REFUSED
    assert reasons(None) == [reason]


def test_a_name_outside_the_list_is_refused_without_holding_it_to_the_pattern(flow: Provisioning, reasons: Any) -> None:
    """For some names, a pattern never ends; they are chosen by whoever has a claim certificate."""
    pattern: Any = Unending()
    flow = replace(flow, admission=replace(flow.admission, name_pattern=pattern))
    assert flow.handle({"certificateId": "first", "parameters": {"Name": 64 * "a" + ":"}}) == REFUSED
    assert "is not on the list" in reasons(None)[0]
    with pytest.raises(AssertionError, match="never ends"):
        flow.handle({"certificateId": "first", "parameters": {"Name": "probe-1"}})


class Unending:
    """A pattern for which each name takes longer than there is time."""

    def fullmatch(self, name: str) -> None:
        raise AssertionError(f"{name} never ends")


def test_a_device_of_another_type_than_the_allowed_one_is_refused(ask: Ask, reasons: Any) -> None:
    assert ask(Type="pressure") == REFUSED
    assert reasons("probe-1") == ["is allowed with the type temperature and asks for pressure"]
    assert ask(Type="temperature")["allowProvisioning"]


def test_a_thing_that_exists_is_never_claimed(
    ask: Ask, reasons: Any, devices: DeviceRegistry, allowed: AllowedDevices
) -> None:
    devices.things.create("probe-1", {}, "lorawan")
    assert ask() == REFUSED
    devices.things.create("probe-3", {}, "farm:temperature")
    allowed.allow(AllowedDevice("probe-3", "temperature", "hall-3"))
    assert ask("probe-3") == REFUSED
    assert "the thing exists already" in reasons("probe-1")[0]
    for name in ("probe-1", "probe-3"):
        entry = allowed.find(name)
        assert entry
        assert entry.used_by is None


def test_a_type_that_the_stack_no_longer_has_is_refused(ask: Ask, reasons: Any, allowed: AllowedDevices) -> None:
    allowed.allow(AllowedDevice("tank-1", "level", "hall-3"))
    assert ask("tank-1") == REFUSED
    assert "must be a type of the stack farm" in reasons("tank-1")[0]


@pytest.mark.parametrize(
    ("operation", "service"), [("DescribeThing", "iot"), ("UpdateItem", "dynamodb"), ("GetThingShadow", "iot-data")]
)
def test_a_failure_of_aws_is_raised_and_the_device_is_admitted_on_its_next_attempt(
    ask: Ask, fail: Fail, written: list[Any], operation: str, service: str
) -> None:
    end = fail(operation, service, 503, "ServiceUnavailableException")
    with pytest.raises(ThingbridgeError):
        ask()
    end()
    assert ask()["allowProvisioning"]
    assert written == [INITIAL]


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"parameters": {}},
        {"parameters": [], "certificateId": "1"},
        {"parameters": {"Name": "probe-1"}, "certificateId": ""},
    ],
)
def test_a_payload_that_is_not_a_request_is_refused(flow: Provisioning, event: object, reasons: Any) -> None:
    assert flow.handle(event) == REFUSED
    assert reasons(None) == ["request: must have the parameters and the certificateId of a device"]
