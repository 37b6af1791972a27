"""Things that describe an end device: the device appears on the four servers, and goes with its thing."""

import pytest

from tests.e2e.conftest import APP_KEY, PATIENCE, Bridge, Device
from tests.e2e.polling import eventually
from thingbridge.registry.work_items import WorkItem

ALL_SERVERS = {"identity", "join", "network", "application"}


def create(bridge: Bridge, device: Device, thing_name: str, **changes: str) -> None:
    attributes = {
        "devEUI": device.dev_eui,
        "joinEUI": device.join_eui,
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": APP_KEY,
        "deviceID": device.device_id,
    }
    bridge.create_thing(thing_name, **{name: value for name, value in {**attributes, **changes}.items() if value})


def test_a_device_created_from_a_thing_joins_and_sends_under_the_things_name(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    thing_name = f"made-{device.device_id}"
    create(farm, device, thing_name)
    eventually("the device on four servers", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)
    network = farm.things_stack.servers.network.devices[farm.application_id, device.device_id]
    assert network["frequency_plan_id"] == farm.outputs["default_frequency_plan_id"] == "EU_863_870_TTN"
    eventually("the record", lambda: [each["event"] for each in farm.log(thing_name)] == ["end_device_created"])
    farm.things_stack.network.join(device.application_id, device.device_id)
    farm.topics.wait_for(f"lorawan/{thing_name}/join", timeout=PATIENCE)


def test_a_deleted_thing_takes_its_device_with_it(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    create(farm, device, f"gone-{device.device_id}", deviceID="")
    device_id = f"eui-{device.dev_eui.lower()}"
    eventually("the device on four servers", lambda: farm.on_servers(device_id) == ALL_SERVERS)
    farm.aws.client("iot").delete_thing(thingName=f"gone-{device.device_id}")
    eventually("no device", lambda: not farm.on_servers(device_id))


def test_a_thing_that_is_renamed_keeps_its_device(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    old, new = f"old-{device.device_id}", f"new-{device.device_id}"
    create(farm, device, old)
    eventually("the device on four servers", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)
    farm.create_thing(new, devEUI=device.dev_eui.lower())
    farm.aws.client("iot").delete_thing(thingName=old)
    kept = eventually("the record", lambda: [each for each in farm.log(old) if each["event"] == "end_device_kept"])
    assert kept[0]["kept_for"] == new
    assert farm.on_servers(device.device_id) == ALL_SERVERS


def test_a_stack_that_retains_devices_keeps_them(orchard: Bridge) -> None:
    device = orchard.new_device(registered=False)
    create(orchard, device, f"kept-{device.device_id}")
    eventually("the device on four servers", lambda: orchard.on_servers(device.device_id) == ALL_SERVERS)
    orchard.aws.client("iot").delete_thing(thingName=f"kept-{device.device_id}")
    eventually(
        "the record",
        lambda: "end_device_retained" in [each["event"] for each in orchard.log(f"kept-{device.device_id}")],
    )
    assert orchard.on_servers(device.device_id) == ALL_SERVERS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"appKey": ""}, "appKey: is missing"),
        ({"lorawanVersion": "9.9"}, "lorawanVersion: '9.9' is not one of 1.0,"),
        ({"frequencyPlanID": "EU_1"}, "EU_1"),
    ],
    ids=["a missing key", "an unknown version", "an unknown frequency plan"],
)
def test_a_thing_that_can_not_become_a_device_says_why_in_its_log_and_leaves_nothing(
    farm: Bridge, changes: dict[str, str], reason: str
) -> None:
    device = farm.new_device(registered=False)
    before = farm.dead_letters()
    create(farm, device, f"bad-{device.device_id}", **changes)
    (entry,) = eventually("the reason", lambda: farm.log(f"bad-{device.device_id}"))
    assert reason in entry["reason"]
    assert APP_KEY not in str(entry)
    assert farm.on_servers(device.device_id) == set()
    assert farm.dead_letters() == before


def test_a_dev_eui_that_is_taken_is_told_and_the_other_device_is_left_alone(farm: Bridge) -> None:
    taken = farm.new_device()
    mine = Device(farm.application_id, f"{taken.device_id}-mine", taken.dev_eui)
    create(farm, mine, f"taken-{taken.device_id}")
    (entry,) = eventually("the reason", lambda: farm.log(f"taken-{taken.device_id}"))
    assert taken.device_id in entry["reason"]
    assert farm.on_servers(mine.device_id) == set()
    assert farm.on_servers(taken.device_id) == ALL_SERVERS
    farm.aws.client("iot").delete_thing(thingName=f"taken-{taken.device_id}")
    eventually("the second record", lambda: len(farm.log(f"taken-{taken.device_id}")) == 2)
    assert farm.on_servers(taken.device_id) == ALL_SERVERS


@pytest.mark.parametrize("server", ["js", "ns", "as"])
def test_a_server_that_refuses_leaves_no_half_a_device(farm: Bridge, server: str) -> None:
    device = farm.new_device(registered=False)
    farm.things_stack.faults.add(method="PUT", path=f"/{server}/applications/.*/{device.device_id}", status=400)
    create(farm, device, f"half-{device.device_id}")
    eventually("the reason", lambda: farm.log(f"half-{device.device_id}"))
    assert farm.on_servers(device.device_id) == set()


def test_a_busy_server_is_tried_again(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    farm.things_stack.faults.add(method="PUT", path=f"/ns/applications/.*/{device.device_id}", status=503, times=2)
    create(farm, device, f"busy-{device.device_id}")
    eventually("the device on four servers", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)


def test_a_thing_made_for_an_uplink_is_only_tied_to_its_device(farm: Bridge) -> None:
    requests = len(farm.things_stack.requests)
    device = farm.joined_device()
    create(farm, other := farm.new_device(registered=False), f"after-{device.device_id}")
    eventually("a later device", lambda: farm.on_servers(other.device_id) == ALL_SERVERS)
    made = list(farm.things_stack.requests)[requests:]
    about = [each for each in made if device.device_id in each.path and each.user_agent.startswith("python-requests")]
    assert [each.operation for each in about if each.method != "GET"] == ["EndDeviceRegistry_Update"]


def provisioning(bridge: Bridge, thing_name: str) -> dict[str, str]:
    return dict(bridge.shadow(thing_name).get("provisioning", {}))


def test_the_shadow_of_a_thing_tells_what_became_of_its_device_and_why(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    thing_name = f"reported-{device.device_id}"
    create(farm, device, thing_name, appKey="")
    failed = eventually("the failure", lambda: provisioning(farm, thing_name))
    assert (failed["state"], failed["step"]) == ("failed", "attributes")
    assert "appKey: is missing" in failed["reason"]
    update(farm, thing_name, appKey=APP_KEY, frequencyPlanID="EU_1")
    eventually("the next failure", lambda: provisioning(farm, thing_name).get("step") == "Network Server")
    update(farm, thing_name, frequencyPlanID="EU_868_1")
    eventually("the success", lambda: provisioning(farm, thing_name).get("state") == "created")
    assert provisioning(farm, thing_name).keys() == {"state", "at"}


def update(bridge: Bridge, thing_name: str, **attributes: str) -> None:
    payload = {"attributes": attributes, "merge": True}
    bridge.aws.client("iot").update_thing(thingName=thing_name, attributePayload=payload)


def test_a_changed_attribute_of_a_thing_is_applied_to_its_device(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    thing_name = f"changed-{device.device_id}"
    create(farm, device, thing_name)
    eventually("the device", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)
    at = (farm.application_id, device.device_id)
    update(farm, thing_name, frequencyPlanID="EU_868_1", appKey="FEDCBA9876543210FEDCBA9876543210")
    network = farm.things_stack.servers.network.devices
    eventually("the plan", lambda: network[at]["frequency_plan_id"] == "EU_868_1")
    keys = farm.things_stack.servers.join.devices[at]["root_keys"]
    assert keys["app_key"]["key"] == "FEDCBA9876543210FEDCBA9876543210"
    update(farm, thing_name, joinEUI="A81758FFFE00FFFF")
    eventually("the refusal", lambda: "can't be changed" in (provisioning(farm, thing_name).get("reason") or ""))


def test_a_claimed_device_joins_and_is_unclaimed_when_its_thing_goes(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    device.join_eui = "70B3D57ED0000000"
    farm.things_stack.claimable(join_eui=device.join_eui, dev_eui=device.dev_eui, authentication_code="C0DE42")
    thing_name = f"claimed-{device.device_id}"
    # Keys as well: the claim wins.
    create(farm, device, thing_name, claimAuthenticationCode="c0de42")
    eventually("the claim", lambda: provisioning(farm, thing_name).get("state") == "claimed")
    assert farm.on_servers(device.device_id) == ALL_SERVERS - {"join"}
    farm.things_stack.network.join(device.application_id, device.device_id)
    farm.topics.wait_for(f"lorawan/{thing_name}/join", timeout=PATIENCE)
    farm.aws.client("iot").delete_thing(thingName=thing_name)
    eventually("no device", lambda: not farm.on_servers(device.device_id))
    claim = farm.things_stack.servers.claiming.devices[device.join_eui, device.dev_eui]
    assert claim.claimed_by is None


def test_keys_are_taken_off_a_thing_once_they_have_served_where_the_stack_asks_for_it(orchard: Bridge) -> None:
    device = orchard.new_device(registered=False)
    thing_name = f"scrubbed-{device.device_id}"
    create(orchard, device, thing_name)

    def left() -> bool:
        thing = orchard.thing(thing_name)
        return thing is not None and "appKey" not in thing.attributes

    eventually("the device", lambda: provisioning(orchard, thing_name).get("state") == "created")
    assert not left()
    # The work item that the function has sent to itself, without its delay.
    thing_id = orchard.aws.client("iot").describe_thing(thingName=thing_name)["thingId"]
    item = WorkItem(thing_name=thing_name, thing_id=thing_id)
    orchard.aws.client("sqs").send_message(QueueUrl=orchard.outputs["queue_urls"]["registry"], MessageBody=item.body())
    eventually("a thing without keys", left)
    assert orchard.on_servers(device.device_id) == ALL_SERVERS
    # Our own change of the thing came back as an event, and changed nothing.
    update(orchard, thing_name, frequencyPlanID="EU_868_1")
    network = orchard.things_stack.servers.network.devices[orchard.application_id, device.device_id]
    eventually("the plan", lambda: network["frequency_plan_id"] == "EU_868_1")
    assert [each for each in orchard.log(thing_name) if each["level"] != "INFO"] == []
