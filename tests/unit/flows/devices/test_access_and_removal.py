"""Rotating, disabling, enabling and deleting devices."""

from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tests.unit.conftest import refusal
from tests.unit.flows.devices.conftest import Fail
from thingbridge.aws.clients import Clients
from thingbridge.aws.device_certificates import DeviceCertificates
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.devices.credentials import Credentials
from thingbridge.errors import Busy, Refused
from thingbridge.flows.devices.access import Access
from thingbridge.flows.devices.registration import Registration
from thingbridge.flows.devices.registry import DeviceRegistry
from thingbridge.flows.devices.removal import Removal


class Kept:
    """Credentials that are handed out: ids of certificates, and whether they were taken back."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.taken_back = False

    def give(self, credentials: Credentials) -> None:
        self.given.append(credentials.certificate.id)

    def take_back(self) -> None:
        self.taken_back = True


class Killed(BaseException):
    """The process is dead: it makes no call any more."""


@pytest.fixture
def first(devices: DeviceRegistry) -> str:
    """The certificate id of the registered device `probe-1`."""
    return str(Registration(devices).handle({"name": "probe-1", "type": "temperature"})["certificateId"])


@pytest.fixture
def access(devices: DeviceRegistry) -> Access:
    return Access(devices)


@pytest.fixture
def removal(devices: DeviceRegistry) -> Removal:
    return Removal(devices)


def active(devices: DeviceRegistry) -> set[str]:
    held = devices.certificates.of_thing("probe-1")
    return {each.id for each in held if each.active and devices.fleet.policy in each.policies}


def test_a_rotated_device_may_connect_with_both_certificates_until_the_old_one_is_ended(
    first: str, access: Access, devices: DeviceRegistry
) -> None:
    second = access.rotate("probe-1", None, Kept())
    assert active(devices) == {first, second.certificate.id}
    assert "PRIVATE KEY" in str(second.fields()["privateKey"])
    assert access.end_old("probe-1") == [first]
    assert active(devices) == {second.certificate.id}
    assert access.end_old("probe-1") == []


def test_a_rotation_that_fails_leaves_the_old_certificate_and_nothing_else(
    first: str, access: Access, devices: DeviceRegistry, fail: Fail
) -> None:
    fail("AttachPolicy")
    with pytest.raises(Busy):
        access.rotate("probe-1", None, Kept())
    assert [each.id for each in devices.certificates.of_thing("probe-1")] == [first]
    assert active(devices) == {first}


def test_a_rotation_that_a_person_interrupts_leaves_the_old_certificate_and_nothing_else(
    first: str, access: Access, devices: DeviceRegistry, clients: Clients
) -> None:
    def interrupt(params: dict[str, object], **_: object) -> None:
        if params["policyName"] == devices.fleet.policy:
            raise KeyboardInterrupt

    clients("iot").meta.events.register("provide-client-params.iot.AttachPolicy", interrupt)
    with pytest.raises(KeyboardInterrupt):
        access.rotate("probe-1", None, Kept())
    assert [each.id for each in devices.certificates.of_thing("probe-1")] == [first]
    assert access.end_old("probe-1") == []
    assert active(devices) == {first}


ROTATION_CALLS = 9
"""Calls of a rotation of a device with one certificate, in a stack with two policies."""


@pytest.mark.parametrize("carried_out", range(ROTATION_CALLS + 1))
def test_a_rotation_that_is_killed_after_any_call_leaves_a_certificate_whose_key_is_held(
    carried_out: int, first: str, access: Access, devices: DeviceRegistry, clients: Clients
) -> None:
    kept, calls = Kept(), count(1)

    def kill(**_: object) -> None:
        if next(calls) > carried_out:
            raise Killed

    iot = clients("iot")
    iot.meta.events.register("before-call.iot", kill)
    if carried_out < ROTATION_CALLS:
        with pytest.raises(Killed):
            access.rotate("probe-1", None, kept)
    else:
        access.rotate("probe-1", None, kept)
    iot.meta.events.unregister("before-call.iot", kill)
    assert not kept.taken_back
    # From the attachment to the thing until the activation, the new certificate is there and can't connect.
    refused = pytest.raises(Refused, match=r"nothing was ended; .*rotate the device again")
    with refused if 6 <= carried_out < ROTATION_CALLS else nullcontext():
        access.end_old("probe-1")
    connecting = active(devices)
    assert connecting
    assert connecting <= {first, *kept.given}
    again = access.rotate("probe-1", None, Kept()).certificate.id
    access.end_old("probe-1")
    assert [each.id for each in devices.certificates.of_thing("probe-1")] == [again]
    assert active(devices) == {again}


@pytest.mark.parametrize("operation", ["AttachPolicy", "UpdateCertificate"])
def test_credentials_are_taken_back_only_if_their_certificate_was_deleted(
    operation: str, first: str, access: Access, devices: DeviceRegistry, fail: Fail
) -> None:
    kept = Kept()
    recover = fail(operation)
    with pytest.raises(Busy):
        access.rotate("probe-1", None, kept)
    recover()
    held = {each.id for each in devices.certificates.of_thing("probe-1")}
    assert kept.taken_back is (held == {first})
    assert kept.taken_back is (operation == "AttachPolicy"), "without UpdateCertificate, no certificate can be deleted"


def test_a_handed_out_certificate_that_was_not_activated_is_activated_or_replaced_before_others_end(
    first: str, access: Access, devices: DeviceRegistry, fail: Fail
) -> None:
    kept = Kept()
    recover = fail("UpdateCertificate")
    with pytest.raises(Busy):
        access.rotate("probe-1", None, kept)
    recover()
    with pytest.raises(Refused, match="activate it with `thingbridge devices enable probe-1`, or rotate the device"):
        access.end_old("probe-1")
    assert access.set_enabled("probe-1", enabled=True) == kept.given
    assert access.end_old("probe-1") == [first]
    assert active(devices) == set(kept.given)


def test_a_rotation_leaves_an_active_certificate_whose_policy_was_detached(
    first: str, access: Access, devices: DeviceRegistry, clients: Clients
) -> None:
    second = access.rotate("probe-1", None, Kept()).certificate
    clients("iot").detach_policy(policyName=devices.fleet.policy, target=second.arn)
    access.rotate("probe-1", None, Kept())
    assert {first, second.id} < {each.id for each in devices.certificates.of_thing("probe-1")}


def test_the_last_certificate_that_works_is_not_ended(
    first: str, access: Access, devices: DeviceRegistry, clients: Clients
) -> None:
    second = access.rotate("probe-1", None, Kept()).certificate.id
    clients("iot").update_certificate(certificateId=second, newStatus="INACTIVE")
    with pytest.raises(Refused, match="the newest certificate of the device probe-1 is not active: nothing was ended"):
        access.end_old("probe-1")
    assert active(devices) == {first}


def test_a_disabled_device_has_no_certificate_that_works_until_it_is_enabled(
    first: str, access: Access, devices: DeviceRegistry
) -> None:
    second = access.rotate("probe-1", None, Kept()).certificate.id
    assert set(access.set_enabled("probe-1", enabled=False)) == {first, second}
    assert not active(devices)
    assert access.set_enabled("probe-1", enabled=False) == []
    access.set_enabled("probe-1", enabled=True)
    assert active(devices) == {first, second}


@pytest.mark.parametrize(
    "act", [lambda a: a.rotate("nothing", None, Kept()), lambda a: a.set_enabled("nothing", enabled=True)]
)
def test_a_device_that_does_not_exist_is_refused(act: Any, access: Access) -> None:
    with pytest.raises(Refused, match="the device nothing does not exist"):
        act(access)


def test_a_registration_that_is_not_complete_is_completed_by_another_registration(
    access: Access, devices: DeviceRegistry
) -> None:
    devices.things.create("probe-1", {}, "farm:temperature")
    for act in (lambda: access.rotate("probe-1", None, Kept()), lambda: access.set_enabled("probe-1", enabled=True)):
        with pytest.raises(Refused, match="the registration of the device probe-1 is not complete: create it again"):
            act()


def test_nothing_is_left_of_a_deleted_device(
    first: str, removal: Removal, devices: DeviceRegistry, clients: Clients, alert_states: ShadowStates
) -> None:
    alert_states.change("probe-1", lambda _: "HIGH", 0)
    devices.shadows.update("probe-1", {"reported": {"a": 1}}, "firmware")
    removed = removal.delete("probe-1")
    assert removed.certificates == (first,)
    assert removed.shadows == ("", "firmware")
    iot = clients("iot")
    assert not iot.list_certificates()["certificates"]
    assert not iot.list_things()["things"]
    assert devices.shadows.document("probe-1") is None
    assert devices.shadows.document("probe-1", "firmware") is None
    assert alert_states.read("probe-1") is None
    assert iot.describe_thing_type(thingTypeName="farm:temperature")


@pytest.mark.parametrize(
    ("operation", "service"),
    [
        ("UpdateCertificate", "iot"),
        ("DetachThingPrincipal", "iot"),
        ("DeleteCertificate", "iot"),
        ("DeleteThing", "iot"),
        ("DeleteItem", "dynamodb"),
        ("ListNamedShadowsForThing", "iot-data"),
        ("DeleteThingShadow", "iot-data"),
    ],
)
def test_a_deletion_that_fails_at_any_step_is_completed_by_the_next_one(
    operation: str, service: str, first: str, removal: Removal, clients: Clients, fail: Fail
) -> None:
    recover = fail(operation, service)
    with pytest.raises(Busy):
        removal.delete("probe-1")
    recover()
    assert removal.delete("probe-1").thing
    assert not clients("iot").list_certificates()["certificates"]
    assert not clients("iot").list_things()["things"]
    assert not removal.delete("probe-1").thing


def test_levels_are_deleted_when_no_certificate_can_send_and_while_the_thing_can_still_be_found(
    first: str, removal: Removal, clients: Clients
) -> None:
    order: list[str] = []
    for service in ("iot", "dynamodb"):
        clients(service).meta.events.register("provide-client-params", lambda model, **_: order.append(model.name))
    removal.delete("probe-1")
    deletions = [each for each in order if each.startswith("Delete")]
    assert deletions == ["DeleteCertificate", "DeleteItem", "DeleteThing"]


def test_a_device_of_somebody_else_keeps_its_levels(
    removal: Removal, clients: Clients, alert_states: ShadowStates
) -> None:
    clients("iot").create_thing(thingName="barn", thingTypeName="lorawan")
    alert_states.change("barn", lambda _: "HIGH", 0)
    with pytest.raises(Refused):
        removal.delete("barn")
    assert alert_states.read("barn") == "HIGH"


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [("DeleteCertificate", 409, "DeleteConflictException"), ("DeleteThing", 400, "InvalidRequestException")],
)
def test_a_deletion_waits_until_the_detachment_has_propagated(
    operation: str, status: int, code: str, first: str, devices: DeviceRegistry, clients: Clients, fail: Fail
) -> None:
    recover, waited = fail(operation, status=status, code=code), []

    def propagates(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            recover()

    certificates = DeviceCertificates(clients, sleep=propagates)
    assert Removal(replace(devices, certificates=certificates), sleep=propagates).delete("probe-1").thing
    assert waited == [1.0, 1.0, 1.0]
    assert not clients("iot").list_certificates()["certificates"]
    assert not clients("iot").list_things()["things"]


@pytest.mark.parametrize("deletable", [True, False])
def test_policies_are_detached_where_aws_deletes_no_certificate_that_carries_one_and_come_back_if_it_stays(
    deletable: bool, first: str, devices: DeviceRegistry, clients: Clients
) -> None:
    iot = clients("iot")
    (arn,) = iot.list_thing_principals(thingName="probe-1")["principals"]
    before = iot.list_attached_policies(target=arn)["policies"]

    def refuse_while_attached(**_: Any) -> Any:
        attached = iot.list_attached_policies(target=arn)["policies"]
        return None if deletable and not attached else refusal(409, "DeleteConflictException")

    iot.meta.events.register("before-call.iot.DeleteCertificate", refuse_while_attached)
    certificates = DeviceCertificates(clients, sleep=lambda _: None)
    removal = Removal(replace(devices, certificates=certificates), sleep=lambda _: None)
    if deletable:
        removal.delete("probe-1")
        assert not iot.list_certificates()["certificates"]
        return
    with pytest.raises(Busy):
        removal.delete("probe-1")
    assert before
    assert iot.list_attached_policies(target=arn)["policies"] == before
    assert iot.list_thing_principals(thingName="probe-1")["principals"] == [arn]


def test_a_registration_that_did_not_end_is_deleted_too(
    removal: Removal, devices: DeviceRegistry, clients: Clients
) -> None:
    devices.things.create("probe-1", {}, "farm:temperature")
    devices.certificates.attach_to_thing(devices.certificates.issue(None).arn, "probe-1")
    removal.delete("probe-1")
    assert not clients("iot").list_certificates()["certificates"]
    assert not clients("iot").list_things()["things"]


def test_neither_a_thing_nor_a_certificate_of_somebody_else_is_deleted(
    first: str, removal: Removal, devices: DeviceRegistry, clients: Clients
) -> None:
    iot = clients("iot")
    iot.create_thing(thingName="barn", thingTypeName="lorawan", attributePayload={"attributes": {"stackName": "farm"}})
    with pytest.raises(Refused, match="barn is not a device of the stack farm"):
        removal.delete("barn")
    iot.create_policy(policyName="theirs", policyDocument="{}")
    theirs = devices.certificates.issue(None)
    devices.certificates.attach_policy(theirs.arn, "theirs")
    devices.certificates.attach_to_thing(theirs.arn, "probe-1")
    with pytest.raises(Refused, match=f"a certificate with other policies than the stack's \\({theirs.id}\\)"):
        removal.delete("probe-1")
    assert first in active(devices)
    assert {each["thingName"] for each in iot.list_things()["things"]} == {"barn", "probe-1"}
