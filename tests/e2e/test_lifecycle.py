"""A stack from its first, mistaken apply to its last destroy, and back again."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local import leftovers
from local.aws import LocalAws
from local.leftovers import left_behind
from local.mqtt import MqttConnection
from local.processes import free_port
from local.stack import Stack, TerraformError
from local.things_stack import ThingsStack
from tests import applier
from tests.conftest import FIGURES
from tests.e2e.conftest import PATIENCE, VAULT, VAULT_APPLICATION, Bridge, connected, discard, inputs, integrations
from thingbridge.flows.api_key import INTEGRATION_RIGHTS, RIGHTS

APPLICATION = "silo-app"


@pytest.fixture(scope="module")
def given(simulation: ThingsStack) -> dict[str, Any]:
    return inputs(simulation, "silo", APPLICATION)


@pytest.fixture(scope="module")
def silo(aws: LocalAws, given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("silo"), given, environment=applier.environment(aws, "silo", options=()))
    yield stack
    stack.inputs = given
    discard(aws, stack)


def apply_fails(stack: Stack, aws: LocalAws, **changes: Any) -> str:
    """Apply with other inputs; the one sentence of the error."""
    stack.inputs = {**stack.inputs, **changes}
    with pytest.raises(TerraformError) as caught:
        leftovers.apply(stack, aws)
    assert len(caught.value.errors) == 1
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


@pytest.mark.soak
def test_what_is_wrong_is_the_first_line_of_a_failed_apply_and_correcting_it_is_enough(
    silo: Stack, aws: LocalAws, simulation: ThingsStack, record_property: Callable[[str, object], None]
) -> None:
    given = dict(silo.inputs)
    error = apply_fails(silo, aws, application_api_key="NNSXS.WRONG.KEY", application_api_key_version=2)
    assert f"give a key that was made for the application {APPLICATION}" in error
    # Checked first: nothing that handles messages or things was created.
    assert not [each for each in silo.resources() if "aws_iot_topic_rule" in each or "aws_sqs_queue" in each]

    right = "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE"
    lacking = simulation.create_api_key(APPLICATION, [each for each in RIGHTS | INTEGRATION_RIGHTS if each != right])
    error = apply_fails(silo, aws, application_api_key=lacking, application_api_key_version=3)
    assert "Write downlink application traffic" in error
    assert right in error

    good = {"application_api_key": given["application_api_key"], "application_api_key_version": 4}
    unreachable = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    error = apply_fails(silo, aws, cluster_address=unreachable, **good)
    seconds = time.monotonic() - started
    record_property(FIGURES, f"an apply with a wrong cluster address fails after {seconds:.0f} s")
    assert unreachable.removeprefix("http://") in error
    assert "check cluster_address" in error

    silo.inputs = {**given, **good, "ingest": {"mode": "package"}}
    silo.apply()
    connected(simulation, APPLICATION)
    assert integrations(simulation, APPLICATION) == {("package", "198")}


@pytest.mark.soak
def test_a_destroy_removes_the_integration_and_leaves_nothing(
    silo: Stack, aws: LocalAws, simulation: ThingsStack
) -> None:
    silo.destroy()
    assert integrations(simulation, APPLICATION) == set()
    assert [name for name, _ in left_behind(aws, "silo")] == []


@pytest.mark.soak
def test_an_apply_after_a_destroy_adopts_what_the_destroy_left(
    aws: LocalAws,
    simulation: ThingsStack,
    topics: MqttConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    given = inputs(simulation, "shed", "shed-app")
    stack = Stack(tmp_path_factory.mktemp("shed"), given, environment=applier.environment(aws, "shed", options=()))
    leftovers.apply(stack, aws)
    connected(simulation, "shed-app")
    shed = Bridge("shed", "shed-app", aws, simulation, topics, stack.output())
    device = shed.joined_device()
    stack.destroy()
    assert shed.thing(device.dev_eui)

    stack.apply()
    connected(simulation, "shed-app")
    seen = len(topics.messages())
    simulation.network.uplink("shed-app", device.device_id)
    topics.wait_for(f"lorawan/{device.dev_eui}/uplink", after=seen, timeout=PATIENCE)
    assert aws.client("iot").describe_thing(thingName=device.dev_eui)["version"] == 1
    stack.destroy()


def settings_of(simulation: ThingsStack) -> tuple[str | None, bool]:
    """KEK label at the Join Server, and whether payload crypto is skipped."""
    servers = simulation.servers
    label = servers.join.settings.get(VAULT_APPLICATION, {}).get("kek_label")
    return label, bool(servers.application.links.get(VAULT_APPLICATION, {}).get("skip_payload_crypto"))


@pytest.mark.soak
def test_a_destroy_leaves_things_shadows_and_the_thing_type_and_nothing_else(
    vault: Bridge, vault_stack: Stack, simulation: ThingsStack
) -> None:
    device = vault.joined_device()
    simulation.network.uplink(VAULT_APPLICATION, device.device_id)
    vault.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE)
    label, skips = settings_of(simulation)
    assert label is not None
    assert f":secret:{VAULT}/AppSKeyKEK-" in label
    assert skips
    (certificate,) = vault.certificates()

    assert vault_stack.destroy() < 120
    assert vault_stack.resources() == []
    assert settings_of(simulation) == (None, False)
    assert integrations(simulation, VAULT_APPLICATION) == set()
    left = vault.aws.client("iot").get_paginator("list_certificates").paginate().search("certificates[].certificateArn")
    assert certificate not in set(left)
    assert [name for name, _ in left_behind(vault.aws, VAULT)] == []
    assert vault.thing(device.dev_eui)
    assert vault.shadow(device.dev_eui)
    assert vault.aws.client("iot").describe_thing_type(thingTypeName="lorawan")
