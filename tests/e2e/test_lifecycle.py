"""A stack from its first, mistaken apply to its last destroy, and back again."""

from collections.abc import Iterator
from typing import Any

import pytest

from local import leftovers
from local.aws import LocalAws
from local.leftovers import left_behind
from local.mqtt import MqttConnection
from local.processes import free_port
from local.stack import Stack, TerraformError
from local.terraform import ProviderSource
from local.things_stack import ThingsStack
from tests.e2e.conftest import PATIENCE, Bridge, connected, inputs
from thingbridge.flows.api_key import INTEGRATION_RIGHTS, RIGHTS

# Apart from the other tests, whose stacks are applied meanwhile: an apply is mostly waiting.
pytestmark = pytest.mark.xdist_group("lifecycle")

APPLICATION = "barn-app"


@pytest.fixture(scope="module")
def given(simulation: ThingsStack) -> dict[str, Any]:
    return inputs(simulation, "barn", APPLICATION)


@pytest.fixture(scope="module")
def stack(
    aws: LocalAws, given: dict[str, Any], provider: ProviderSource, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    barn = Stack(tmp_path_factory.mktemp("barn"), given, environment=aws.environment(), provider=provider)
    yield barn
    barn.inputs = given
    barn.destroy()


def apply_fails(stack: Stack, aws: LocalAws, **changes: Any) -> str:
    """Apply with other inputs; the one sentence that the error says."""
    stack.inputs = {**stack.inputs, **changes}
    with pytest.raises(TerraformError) as caught:
        leftovers.apply(stack, aws)
    assert len(caught.value.errors) == 1
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def test_what_is_wrong_is_the_first_line_of_a_failed_apply_and_mending_it_is_enough(
    stack: Stack, aws: LocalAws, given: dict[str, Any], simulation: ThingsStack
) -> None:
    error = apply_fails(stack, aws, application_api_key="NNSXS.WRONG.KEY", application_api_key_version=2)
    assert f"give a key that was made for the application {APPLICATION}" in error

    right = "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE"
    lacking = simulation.create_api_key(APPLICATION, [each for each in RIGHTS | INTEGRATION_RIGHTS if each != right])
    error = apply_fails(stack, aws, application_api_key=lacking, application_api_key_version=3)
    assert "Write downlink application traffic" in error
    assert right in error

    nobody = f"http://127.0.0.1:{free_port()}"
    good = {"application_api_key": given["application_api_key"], "application_api_key_version": 4}
    error = apply_fails(stack, aws, cluster_address=nobody, **good)
    assert nobody.removeprefix("http://") in error
    assert "check cluster_address" in error

    stack.inputs = {**given, **good}
    stack.apply()
    connected(simulation, stack)
    assert [at for at in simulation.servers.application.pubsubs if at[0] == APPLICATION]


def test_a_destroy_leaves_things_shadows_and_the_thing_type_and_an_apply_takes_them_over(
    stack: Stack, aws: LocalAws, simulation: ThingsStack, topics: MqttConnection
) -> None:
    leftovers.apply(stack, aws)
    connected(simulation, stack)
    barn = Bridge("barn", APPLICATION, aws, simulation, topics, stack.output())
    device = barn.joined_device()
    simulation.network.uplink(APPLICATION, device.device_id)
    topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE)

    assert stack.destroy() < 120
    assert stack.resources() == []
    assert not [at for at in simulation.servers.application.pubsubs if at[0] == APPLICATION]
    assert [name for name, _ in left_behind(aws, "barn")] == []
    assert barn.thing(device.dev_eui)
    assert barn.shadow(device.dev_eui)
    assert aws.client("iot").describe_thing_type(thingTypeName="lorawan")

    stack.apply()
    connected(simulation, stack)
    seen = len(topics.messages())
    simulation.network.uplink(APPLICATION, device.device_id)
    topics.wait_for(f"lorawan/{device.dev_eui}/uplink", after=seen, timeout=PATIENCE)
    assert aws.client("iot").describe_thing(thingName=device.dev_eui)["version"] == 1
