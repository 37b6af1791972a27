"""Old certificates end by themselves: on proof that the new one is used, or on a date. Everything else is left."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import pytest

from tests.unit.flows.devices.conftest import Fail
from thingbridge.aws.clients import Clients
from thingbridge.aws.rotations import Rotations
from thingbridge.aws.things_log import ThingsLog
from thingbridge.devices.credentials import Credentials
from thingbridge.errors import BadInput, Busy
from thingbridge.flows.devices.access import Access
from thingbridge.flows.devices.old_certificates import OldCertificates
from thingbridge.flows.devices.registration import Registration
from thingbridge.flows.devices.registry import DeviceRegistry
from thingbridge.flows.devices.removal import Removal
from thingbridge.messaging import rule_payload

HOUR = 3600.0


class Kept:
    """Credentials that are handed out, and whether they were taken back."""

    taken_back = False

    def give(self, credentials: Credentials) -> None:
        pass

    def take_back(self) -> None:
        self.taken_back = True


@dataclass
class Device:
    """The device `probe-1`, and what the function does about it. `now`: the time of everything, in seconds."""

    registry: DeviceRegistry
    rotations: Rotations
    log: ThingsLog
    first: str
    now: float = 1_000_000.0
    after_seconds: float = 0.0
    remaining: float = 900.0

    @property
    def flow(self) -> OldCertificates:
        return OldCertificates(
            self.registry, self.rotations, self.log, self.after_seconds, lambda: self.remaining, lambda: self.now
        )

    def rotate(self, end_at: float | None = None) -> str:
        return Access(self.registry).rotate("probe-1", None, Kept(), end_at=end_at).certificate.id

    def connect(self, certificate: str, at: float | None = None, name: str = "probe-1") -> None:
        """AWS IoT publishes that the device has connected."""
        event = {"clientId": name, "principalIdentifier": certificate, "timestamp": (at or self.now) * 1000}
        output = rule_payload.output(f"$aws/events/presence/connected/{name}", json.dumps(event).encode())
        self.flow.handle(json.loads(output))

    def tick(self) -> None:
        self.flow.handle({"tick": "2026-12-01T00:00:00Z"})

    @property
    def held(self) -> set[str]:
        """The certificates with which the device can connect."""
        held = self.registry.certificates.of_thing("probe-1")
        return {each.id for each in held if each.active and self.registry.fleet.policy in each.policies}

    @property
    def entries(self) -> list[dict[str, Any]]:
        found = self.log.entries("probe-1")
        return [{name: value for name, value in each.items() if name not in ("at", "level")} for each in found]


@pytest.fixture
def device(devices: DeviceRegistry, clients: Clients) -> Device:
    """A registered device in a stack that records rotations."""
    clients("dynamodb").create_table(
        TableName="farm-rotations",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    clients("logs").create_log_group(logGroupName="/farm/things")
    rotations = Rotations(clients, "farm-rotations")
    registry = replace(devices, rotations=rotations)
    first = str(Registration(registry).handle({"name": "probe-1", "type": "temperature"})["certificateId"])
    clients.take_calls()
    return Device(registry, rotations, ThingsLog(clients, "/farm/things"), first)


def test_the_old_certificate_ends_when_the_device_connects_with_the_new_one(device: Device) -> None:
    second = device.rotate()
    device.tick()
    assert device.held == {device.first, second}
    device.connect(second)
    assert device.held == {second}
    assert device.rotations.find("probe-1") is None
    assert device.entries == [
        {"event": "old_certificates_ended", "certificate": second, "because": "used", "ended": [device.first]}
    ]


def test_a_device_that_goes_on_with_the_old_certificate_keeps_both(device: Device) -> None:
    second = device.rotate()
    device.connect(device.first)
    device.connect("somebody-else's")
    device.tick()
    assert device.held == {device.first, second}


def test_with_a_wait_the_schedule_ends_it_unless_the_device_has_fallen_back(device: Device) -> None:
    device.after_seconds = 24 * HOUR
    second = device.rotate()
    device.connect(second)
    device.now += 23 * HOUR
    device.connect(device.first)
    device.now += 2 * HOUR
    device.tick()
    assert device.held == {device.first, second}
    device.connect(second)
    device.now += 24 * HOUR
    device.tick()
    assert device.held == {second}


def test_events_in_any_order_end_in_the_same_row(device: Device) -> None:
    device.now, device.after_seconds = 100.0, HOUR
    second = device.rotate()
    seen = set()
    for order in permutations([(second, 10.0), (device.first, 20.0), (second, 30.0)]):
        rotation = device.rotations.find("probe-1")
        assert rotation
        device.rotations.record(replace(rotation, first_new=None, last_new=None, last_old=None))
        for certificate, at in order:
            device.connect(certificate, at)
        row = device.rotations.find("probe-1")
        assert row
        seen.add((row.first_new, row.last_new, row.last_old))
    assert seen == {(10.0, 30.0, 20.0)}


def test_the_old_certificate_of_a_device_that_never_connects_ends_on_its_date_alone(device: Device) -> None:
    second = device.rotate(end_at=device.now + 30 * 24 * HOUR)
    device.now += 29 * 24 * HOUR
    device.tick()
    assert device.held == {device.first, second}
    device.now += 24 * HOUR
    device.tick()
    assert device.held == {second}
    assert device.entries[0]["because"] == "date"


def test_another_rotation_replaces_the_record_and_its_date(device: Device) -> None:
    second = device.rotate(end_at=device.now)
    third = device.rotate()
    device.tick()
    device.connect(second)
    assert device.held == {device.first, second, third}
    device.now += 1
    device.connect(third)
    assert device.held == {third}


def test_most_connections_cost_one_read(device: Device, clients: Clients) -> None:
    device.connect(device.first)
    assert clients.take_calls() == {"GetItem": 1}
    second = device.rotate()
    clients.take_calls()
    device.connect(second)
    calls = clients.take_calls()
    assert calls == {
        "GetItem": 1,
        "UpdateItem": 1,
        "DeleteItem": 1,
        "DescribeThing": 1,
        "ListThingPrincipals": 1,
        "DescribeCertificate": 2,
        "ListAttachedPolicies": 2,
        "UpdateCertificate": 1,
        "DetachThingPrincipal": 1,
        "DeleteCertificate": 1,
        **{name: calls[name] for name in ("CreateLogStream", "PutLogEvents")},
    }


# What is left, and reported


def disabled(device: Device, clients: Clients, second: str) -> None:
    Access(device.registry).set_enabled("probe-1", enabled=False)


def interrupted(device: Device, clients: Clients, second: str) -> None:
    device.registry.certificates.attach_to_thing(device.registry.certificates.issue(None).arn, "probe-1")


def unrecorded(device: Device, clients: Clients, second: str) -> None:
    Access(replace(device.registry, rotations=None)).rotate("probe-1", None, Kept())


def without_policy(device: Device, clients: Clients, second: str) -> None:
    arn = clients("iot").describe_certificate(certificateId=second)["certificateDescription"]["certificateArn"]
    clients("iot").detach_policy(policyName="farm-device", target=arn)


def detached(device: Device, clients: Clients, second: str) -> None:
    arn = clients("iot").describe_certificate(certificateId=second)["certificateDescription"]["certificateArn"]
    clients("iot").detach_thing_principal(thingName="probe-1", principal=arn)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (disabled, "the newest certificate of the device probe-1 is not active"),
        (interrupted, "the last rotation of the device probe-1 was interrupted"),
        (unrecorded, "has a newer certificate"),
        (without_policy, "is not attached to it, or does not carry the policy farm-device"),
        (detached, "is not attached to it, or does not carry the policy farm-device"),
    ],
)
def test_nothing_ends_if_the_new_certificate_is_not_the_newest_that_works_and_the_reason_is_recorded_once(
    change: Callable[..., None], reason: str, device: Device, clients: Clients
) -> None:
    second = device.rotate(end_at=device.now)
    change(device, clients, second)
    before = {each.id for each in device.registry.certificates.of_thing("probe-1")}
    device.connect(second)
    device.tick()
    device.tick()
    assert {each.id for each in device.registry.certificates.of_thing("probe-1")} == before
    (entry,) = device.entries
    assert entry["event"] == "old_certificates_kept"
    assert reason in entry["reason"]


def test_a_device_that_was_disabled_is_looked_at_again(device: Device) -> None:
    second = device.rotate()
    Access(device.registry).set_enabled("probe-1", enabled=False)
    device.connect(second)
    Access(device.registry).set_enabled("probe-1", enabled=True)
    device.tick()
    assert device.held == {second}


def test_a_certificate_that_no_rotation_replaced_or_that_somebody_else_uses_is_left_and_reported(
    device: Device, clients: Clients
) -> None:
    added = device.registry.certificates.issue(None)
    theirs = device.registry.certificates.issue(None)
    clients("iot").create_policy(policyName="theirs", policyDocument="{}")
    for each, policies in ((added, ["farm-device"]), (theirs, ["farm-device", "theirs"])):
        device.registry.certificates.attach_to_thing(each.arn, "probe-1")
        device.registry.certificates.set_active(each.id, active=True)
        for policy in policies:
            device.registry.certificates.attach_policy(each.arn, policy)
    second = device.rotate()
    rotation = device.rotations.find("probe-1")
    assert rotation
    device.rotations.record(replace(rotation, replaces=(device.first, theirs.id)))
    device.connect(second)
    assert device.held == {added.id, theirs.id, second}
    (entry,) = device.entries
    assert entry["ended"] == [device.first]
    assert set(entry["left"]) == {added.id, theirs.id}


def test_a_device_of_the_same_name_that_was_registered_anew_is_not_touched(device: Device, clients: Clients) -> None:
    device.rotate(end_at=device.now)
    stale = device.rotations.find("probe-1")
    assert stale
    Removal(device.registry).delete("probe-1")
    assert device.rotations.find("probe-1") is None
    again = str(Registration(device.registry).handle({"name": "probe-1", "type": "temperature"})["certificateId"])
    device.rotations.record(replace(stale, replaces=(again,)))
    device.tick()
    assert device.held == {again}
    assert device.rotations.find("probe-1") is None


def test_a_thing_that_became_somebody_else_s_is_not_touched(device: Device, clients: Clients) -> None:
    device.rotate(end_at=device.now)
    clients("iot").update_thing(thingName="probe-1", thingTypeName="lorawan", attributePayload={"attributes": {}})
    held = device.held
    device.tick()
    assert device.held == held
    assert "is not a device of the stack farm" in device.entries[0]["reason"]


# Failures


@pytest.mark.parametrize(
    ("operation", "service"),
    [
        ("DescribeThing", "iot"),
        ("ListThingPrincipals", "iot"),
        ("UpdateCertificate", "iot"),
        ("DeleteCertificate", "iot"),
        ("DeleteItem", "dynamodb"),
    ],
)
def test_what_fails_is_completed_by_a_later_tick_without_another_connection(
    operation: str, service: str, device: Device, fail: Fail
) -> None:
    second = device.rotate()
    recover = fail(operation, service)
    with pytest.raises(Busy):
        device.connect(second)
    recover()
    device.tick()
    assert device.held == {second}
    assert device.rotations.find("probe-1") is None


def test_one_device_that_aws_is_too_busy_for_does_not_hold_up_the_others(device: Device, clients: Clients) -> None:
    names = ["probe-1", "probe-2", "probe-3"]
    for name in names[1:]:
        Registration(device.registry).handle({"name": name, "type": "temperature"})
    for name in names:
        Access(device.registry).rotate(name, None, Kept(), end_at=device.now)

    def refuse(params: dict[str, Any], **_: object) -> None:
        if params["thingName"] == "probe-2":
            raise Busy("list the certificates of probe-2")

    clients("iot").meta.events.register("provide-client-params.iot.ListThingPrincipals", refuse)
    with pytest.raises(Busy, match="the old certificates of 1 devices could not be ended, such as: list the cert"):
        device.tick()
    assert [each.thing for each in device.rotations.all()] == ["probe-2"]


def test_a_tick_that_has_no_time_left_leaves_the_rest_to_the_next_one(device: Device) -> None:
    second = device.rotate(end_at=device.now)
    device.remaining = 10
    device.tick()
    assert device.held == {device.first, second}
    device.remaining = 900
    device.tick()
    assert device.held == {second}


def test_a_connection_meets_a_concurrent_write_and_is_recorded(device: Device, clients: Clients) -> None:
    device.now, device.after_seconds = 100.0, HOUR
    second = device.rotate()
    once = iter([True])

    def write(**_: object) -> None:
        if next(once, False):
            device.connect(device.first, at=5.0)

    clients("dynamodb").meta.events.register("before-call.dynamodb.UpdateItem", write)
    device.connect(second, at=10.0)
    rotation = device.rotations.find("probe-1")
    assert rotation
    assert (rotation.last_old, rotation.first_new) == (5.0, 10.0)


def test_a_connection_of_an_earlier_rotation_does_not_replace_the_record_of_a_later_one(device: Device) -> None:
    device.rotate()
    earlier = device.rotations.find("probe-1")
    assert earlier
    device.rotations.forget(earlier)
    third = device.rotate()
    later = device.rotations.find("probe-1")
    assert later
    assert (later.certificate, later.revision) == (third, earlier.revision)
    assert device.rotations.change(earlier, replace(earlier, last_new=1.0)) is None
    device.rotations.forget(earlier)
    assert device.rotations.find("probe-1") == later


def test_a_rotation_that_can_t_be_recorded_hands_out_nothing(device: Device, fail: Fail) -> None:
    recover, kept = fail("UpdateItem", "dynamodb"), Kept()
    with pytest.raises(Busy):
        Access(device.registry).rotate("probe-1", None, kept)
    recover()
    assert kept.taken_back
    assert [each.id for each in device.registry.certificates.of_thing("probe-1")] == [device.first]


def test_a_certificate_that_a_person_ended_needs_no_record(device: Device) -> None:
    device.rotate()
    assert Access(device.registry).end_old("probe-1") == [device.first]
    assert device.rotations.find("probe-1") is None


def test_a_person_and_the_function_may_end_the_same_certificate_at_once(device: Device, clients: Clients) -> None:
    second, connects = device.rotate(), [device.connect]
    events = clients("iot").meta.events

    def connect(**_: Any) -> None:
        # While the command reads the first of what it is to end.
        while connects:
            connects.pop()(second)

    for operation in ("ListAttachedPolicies", "DescribeCertificate"):
        events.register(f"after-call.iot.{operation}", connect)
    assert Access(device.registry).end_old("probe-1") == []
    assert device.held == {second}


def test_what_is_not_an_event_is_refused(device: Device) -> None:
    with pytest.raises(BadInput, match="clientId"):
        device.flow.handle(json.loads(rule_payload.output("$aws/events/presence/connected/x", b"{}")))
