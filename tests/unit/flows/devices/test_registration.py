"""Registering a device: complete or not at all, its credentials handed out once."""

from typing import Any

import pytest

from tests.unit.flows.devices.conftest import INITIAL, POLICIES, Fail
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.devices.authority import AMAZON_ROOT_CA_1
from thingbridge.devices.request import NewDevice, checked
from thingbridge.errors import Busy, ThingbridgeError
from thingbridge.flows.devices.registration import AlreadyRegistered, Registration
from thingbridge.flows.devices.registry import DeviceRegistry

PROBE: dict[str, Any] = {
    "name": "probe-1",
    "type": "temperature",
    "attributes": {"location": "hall-3", "model": "TC-2000"},
}
STEPS = [
    ("CreateThing", "iot"),
    ("CreateKeysAndCertificate", "iot"),
    ("AttachThingPrincipal", "iot"),
    ("AddThingToThingGroup", "iot"),
    ("DeleteItem", "dynamodb"),
    ("GetThingShadow", "iot-data"),
    ("UpdateThingShadow", "iot-data"),
    ("UpdateCertificate", "iot"),
    ("AttachPolicy", "iot"),
    ("ListThingPrincipals", "iot"),
]


@pytest.fixture
def registration(devices: DeviceRegistry) -> Registration:
    return Registration(devices)


def certificates(clients: Clients) -> list[str]:
    return [each["certificateId"] for each in clients("iot").list_certificates()["certificates"]]


def test_a_device_gets_twelve_fields_and_the_authority_of_its_endpoint(registration: Registration) -> None:
    answer = registration.handle(PROBE)
    assert answer["certificatePem"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" in answer["privateKey"]
    assert "PUBLIC KEY" in answer["publicKey"]
    assert answer["thingArn"].endswith(":thing/probe-1")
    assert answer["certificateArn"].endswith(f":cert/{answer['certificateId']}")
    known = {"thingName": "probe-1", "clientId": "probe-1", "region": "eu-west-1", "port": 8883}
    assert answer.items() >= known.items()
    assert answer["endpoint"] == "example-ats.iot.eu-west-1.amazonaws.com"
    assert answer["caCertificate"] == AMAZON_ROOT_CA_1
    assert answer["thingId"]
    assert len(answer) == 13


def test_a_registered_device_is_complete(registration: Registration, devices: DeviceRegistry, clients: Clients) -> None:
    registration.handle(PROBE)
    thing = devices.things.describe("probe-1")
    assert thing
    assert thing.type_name == "farm:temperature"
    assert thing.attributes == {"location": "hall-3", "model": "TC-2000", "deviceType": "temperature"}
    (held,) = devices.certificates.of_thing("probe-1")
    assert (held.active, sorted(held.policies)) == (True, sorted(POLICIES))
    groups = clients("iot").list_thing_groups_for_thing(thingName="probe-1")["thingGroups"]
    assert {each["groupName"] for each in groups} == {"farm:type:temperature", "farm:location:hall-3"}
    document = devices.shadows.document("probe-1")
    assert document
    assert {part: document["state"][part] for part in INITIAL} == INITIAL


def test_a_certificate_is_attached_to_one_thing_alone(registration: Registration, clients: Clients) -> None:
    sent: list[dict[str, Any]] = []
    clients("iot").meta.events.register(
        "provide-client-params.iot.AttachThingPrincipal", lambda params, **_: sent.append(dict(params))
    )
    registration.handle(PROBE)
    assert [each["thingPrincipalType"] for each in sent] == ["EXCLUSIVE_THING"]


def test_the_stacks_policy_comes_last_and_to_an_active_certificate(
    registration: Registration, clients: Clients
) -> None:
    order: list[str] = []
    for operation in ("AttachPolicy", "UpdateCertificate", "AttachThingPrincipal"):
        clients("iot").meta.events.register(
            f"provide-client-params.iot.{operation}",
            lambda params, model, **_: order.append(params.get("policyName") or model.name),
        )
    registration.handle(PROBE)
    assert order == ["AttachThingPrincipal", "UpdateCertificate", *POLICIES]


def test_a_key_that_the_caller_made_stays_with_the_caller(
    registration: Registration, csr: str, clients: Clients
) -> None:
    answer = registration.handle({**PROBE, "csr": csr})
    assert answer["certificatePem"]
    assert answer["privateKey"] is None
    assert "CreateKeysAndCertificate" not in clients.take_calls()


def test_a_registration_costs_nine_calls_and_what_is_chosen(registration: Registration, clients: Clients) -> None:
    own_policy, telemetry, initial_shadow, location = 1, 1, 2, 1
    registration.handle({"name": "probe-1", "type": "pressure"})
    assert sum(clients.take_calls().values()) == 9 + own_policy + telemetry
    registration.handle({**PROBE, "name": "probe-2"})
    assert sum(clients.take_calls().values()) == 9 + own_policy + telemetry + initial_shadow + location


def test_a_name_that_exists_is_refused_with_the_ways_to_go_on(registration: Registration, clients: Clients) -> None:
    registration.handle(PROBE)
    error = registration.handle(PROBE)["error"]
    assert error["field"] == "name"
    assert "rotate it for new ones, delete it to start again" in error["reason"]
    assert len(certificates(clients)) == 1


def test_a_disabled_device_is_a_registered_one(registration: Registration, clients: Clients) -> None:
    certificate = registration.handle(PROBE)["certificateId"]
    clients("iot").update_certificate(certificateId=certificate, newStatus="INACTIVE")
    assert registration.handle(PROBE)["error"]["field"] == "name"


@pytest.mark.parametrize(("operation", "service"), STEPS)
def test_a_registration_that_fails_at_any_step_is_completed_by_the_next_one(
    operation: str, service: str, registration: Registration, devices: DeviceRegistry, clients: Clients, fail: Fail
) -> None:
    recover = fail(operation, service)
    with pytest.raises(Busy):
        registration.handle(PROBE)
    recover()
    answer = registration.handle(PROBE)
    assert certificates(clients) == [answer["certificateId"]], "a certificate is left that nobody has the key of"
    (held,) = devices.certificates.of_thing("probe-1")
    assert (held.id, held.active) == (answer["certificateId"], True)
    assert held.policies[-1] in POLICIES


def test_what_an_interrupted_registration_has_left_is_deleted_by_the_next_one(
    registration: Registration, clients: Clients, fail: Fail
) -> None:
    # Its certificate stays, as if the process had ended before it could delete it.
    recoveries = [fail("AttachPolicy"), fail("DetachThingPrincipal")]
    with pytest.raises(Busy):
        registration.handle(PROBE)
    assert len(certificates(clients)) == 1
    for recover in recoveries:
        recover()
    answer = registration.handle(PROBE)
    assert certificates(clients) == [answer["certificateId"]]


def test_an_active_certificate_whose_policy_was_detached_is_never_deleted_by_a_registration(
    registration: Registration, devices: DeviceRegistry, clients: Clients
) -> None:
    certificate = registration.handle(PROBE)
    clients("iot").detach_policy(policyName=devices.fleet.policy, target=certificate["certificateArn"])
    error = registration.handle(PROBE)["error"]
    assert str(certificate["certificateId"]) in error["reason"]
    assert f"attach the policy {devices.fleet.policy} to it, or delete the device" in error["reason"]
    assert certificates(clients) == [certificate["certificateId"]]


def test_a_registration_is_completed_with_the_attributes_of_the_last_request(
    registration: Registration, devices: DeviceRegistry, fail: Fail
) -> None:
    recover = fail("AttachPolicy")
    with pytest.raises(Busy):
        registration.handle(PROBE)
    recover()
    registration.handle({**PROBE, "attributes": {"model": "TC-3000"}})
    thing = devices.things.describe("probe-1")
    assert thing
    assert thing.attributes == {"model": "TC-3000", "deviceType": "temperature"}


def test_a_thing_of_somebody_else_is_left_alone(registration: Registration, clients: Clients) -> None:
    iot = clients("iot")
    iot.create_thing(thingName="barn", thingTypeName="lorawan", attributePayload={"attributes": {"stackName": "farm"}})
    error = registration.handle({**PROBE, "name": "barn"})["error"]
    assert error["reason"] == "barn is not a device of the stack farm, but a thing of the type lorawan"
    assert not certificates(clients)
    assert iot.describe_thing(thingName="barn")["version"] == 1


def test_an_unfinished_device_of_another_type_is_refused(registration: Registration, fail: Fail) -> None:
    recover = fail("AttachPolicy")
    with pytest.raises(Busy):
        registration.handle(PROBE)
    recover()
    error = registration.handle({"name": "probe-1", "type": "pressure"})["error"]
    assert "exists with the type temperature, without credentials" in error["reason"]


def test_a_shadow_that_is_older_than_its_thing_stays(registration: Registration, devices: DeviceRegistry) -> None:
    devices.things.create("probe-1", {}, "farm:temperature")
    devices.shadows.update("probe-1", {"desired": {"temperature_threshold": 40}})
    registration.handle({"name": "probe-1", "type": "temperature"})
    document = devices.shadows.document("probe-1")
    assert document
    assert document["state"]["desired"] == {"temperature_threshold": 40}


def test_a_new_device_inherits_no_level_of_an_earlier_one_of_its_name(
    registration: Registration, alert_states: ShadowStates
) -> None:
    for name in ("probe-1", "probe-2"):
        alert_states.change(name, lambda _: "HIGH", 0)
    registration.handle(PROBE)
    assert alert_states.read("probe-1") is None
    assert alert_states.read("probe-2") == "HIGH"


def test_a_refused_registration_leaves_the_levels_of_the_device_that_has_the_name(
    registration: Registration, alert_states: ShadowStates
) -> None:
    registration.handle(PROBE)
    alert_states.change("probe-1", lambda _: "HIGH", 0)
    assert "error" in registration.handle(PROBE)
    assert alert_states.read("probe-1") == "HIGH"


def test_of_two_registrations_at_once_no_two_hand_out_credentials(
    registration: Registration, devices: DeviceRegistry, clients: Clients
) -> None:
    rival = Registration(devices)
    iot, started = clients("iot"), []

    def in_between(**_: Any) -> None:
        if not started:
            started.append(True)
            rival.create(checked(NewDevice("probe-1", "temperature"), devices.fleet))

    iot.meta.events.register("provide-client-params.iot.UpdateCertificate", in_between)
    with pytest.raises(ThingbridgeError):
        registration.create(checked(NewDevice("probe-1", "temperature"), devices.fleet))
    assert len([each for each in devices.certificates.of_thing("probe-1") if each.active]) == 1


def test_a_bad_request_is_answered_and_nothing_is_called(registration: Registration, clients: Clients) -> None:
    answer = registration.handle({"name": "probe 1", "type": "temperature"})
    assert answer == {
        "error": {"field": "name", "reason": "must have 1 to 128 of the characters A-Z a-z 0-9 : _ and -"}
    }
    assert not clients.take_calls()


def test_no_secret_is_logged(registration: Registration, capsys: pytest.CaptureFixture[str]) -> None:
    answer = registration.handle(PROBE)
    logged = capsys.readouterr().out
    assert answer["certificateId"] in logged
    assert "KEY" not in logged
    assert "BEGIN" not in repr(registration.create)
    with pytest.raises(AlreadyRegistered):
        registration.create(checked(NewDevice("probe-1", "temperature"), registration._devices.fleet))
