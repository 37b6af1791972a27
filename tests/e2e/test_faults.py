"""Faults of the functions themselves, on an applied stack; those of what they call are in tests/faults."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import PATIENCE, Bridge, Device
from tests.e2e.polling import eventually
from tests.e2e.soaking import kill_functions
from tests.e2e.test_queues import failures

pytestmark = pytest.mark.soak


@contextmanager
def without_a_right(bridge: Bridge, function: str, action: str) -> Iterator[None]:
    """The role of a function is denied an action."""
    name = bridge.outputs["function_names"][function]
    role = bridge.aws.client("lambda").get_function_configuration(FunctionName=name)["Role"].rpartition("/")[2]
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    iam = bridge.aws.client("iam")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="denied", PolicyDocument=policy)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="denied")


def send(bridge: Bridge, device: Device, payload: bytes) -> None:
    bridge.things_stack.network.uplink(device.application_id, device.device_id, f_port=7, frm_payload=payload)


def arrived(bridge: Bridge, device: Device) -> int:
    messages = bridge.topics.messages(f"lorawan/{device.dev_eui}/uplink")
    return sum(each.json()["uplink_message"]["f_port"] == 7 for each in messages)


def test_an_uplink_without_a_right_of_the_function_is_kept_with_its_cause_and_replayed(farm: Bridge) -> None:
    device = farm.joined_device()
    with without_a_right(farm, "upstream", "iot:Publish"):
        send(farm, device, b"\1")
        groups = eventually("the failure", lambda: failures(farm, "list", "upstream_failures")["groups"], timeout=120)
        assert not arrived(farm, device)
    (group,) = groups
    assert group["subjects"] == [device.device_id]
    assert "publish on lorawan/" in group["cause"]
    assert failures(farm, "replay", "upstream_failures") == {"replayed": 1, "failed": []}
    eventually("the uplink", lambda: arrived(farm, device), timeout=PATIENCE)
    assert farm.dead_letters()["upstream_failures"] == 0


def test_an_uplink_waits_while_the_function_is_throttled(farm: Bridge) -> None:
    device, client = farm.joined_device(), farm.aws.client("lambda")
    name = farm.outputs["function_names"]["upstream"]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        send(farm, device, b"\1")
    finally:
        client.delete_function_concurrency(FunctionName=name)
    eventually("the uplink", lambda: arrived(farm, device), timeout=PATIENCE)


def test_no_uplink_is_lost_whenever_the_function_is_killed(farm: Bridge) -> None:
    device, number = farm.joined_device(), 30
    for n in range(number):
        send(farm, device, bytes([n]))
        kill_functions(farm, "upstream")

    def there() -> bool:
        messages = farm.topics.messages(f"lorawan/{device.dev_eui}/uplink")
        return len({each.json()["uplink_message"]["frm_payload"] for each in messages}) >= number

    def there_or_kept() -> bool:
        kept = farm.dead_letters()["upstream_failures"]
        if kept:
            failures(farm, "replay", "upstream_failures")
        return there()

    eventually("every uplink", there_or_kept, timeout=180)
