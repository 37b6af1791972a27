"""Two registries that drifted apart while events were missed: a tick in the queue, and they agree again."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from handlers.settings import SyncSettings, WorkQueueSettings
from local import inspection
from tests.e2e.conftest import APP_KEY, Bridge, Device
from tests.e2e.polling import eventually
from tests.e2e.test_registry import ALL_SERVERS
from thingbridge.flows.sync import MESSAGE_GROUP
from thingbridge.registry import marks
from thingbridge.registry.marks import Owner

_ticks = itertools.count(1)
LONG = 120.0
"""Seconds: a run, and all the work it sends."""


def tick(bridge: Bridge, mode: str | None = None) -> None:
    """Have both registries compared, as the schedule does."""
    number = next(_ticks)
    body = json.dumps({"start": f"test {number}", **({"mode": mode} if mode else {})})
    bridge.aws.client("sqs").send_message(
        QueueUrl=bridge.outputs["queue_urls"]["sync"], MessageBody=body, MessageGroupId=MESSAGE_GROUP
    )


def settled(bridge: Bridge, *queues: str) -> bool:
    """Whether no message waits or is being handled."""
    urls = {each: bridge.outputs["queue_urls"][each] for each in queues}
    return not any(inspection.queues(bridge.aws, urls).values())


def synchronise(bridge: Bridge, mode: str | None = None) -> None:
    """Compare, and wait until all work that follows is done: a run sends its work before its message is deleted."""
    tick(bridge, mode)
    eventually("the end of the run", lambda: settled(bridge, "sync"), timeout=LONG)
    eventually("the end of its work", lambda: settled(bridge, "registry"), timeout=LONG)


@contextmanager
def events_are_missed(bridge: Bridge) -> Iterator[None]:
    """No thing sends an event. Those that were sent are handled first: a device whose thing goes meanwhile goes too."""
    eventually("the end of earlier events", lambda: settled(bridge, "registry"), timeout=LONG)
    iot = bridge.aws.client("iot")
    iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": False}})
    try:
        yield
    finally:
        iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": True}})


def described(device: Device, **changes: str) -> dict[str, str]:
    attributes = {
        "devEUI": device.dev_eui,
        "joinEUI": device.join_eui,
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": APP_KEY,
        "deviceID": device.device_id,
    }
    return attributes | changes


def registered(bridge: Bridge, device: Device) -> dict[str, Any] | None:
    return bridge.things_stack.servers.identity.devices.get((bridge.application_id, device.device_id))


def test_a_device_registered_in_the_things_stack_gets_its_thing_without_an_uplink(farm: Bridge) -> None:
    device = farm.new_device()
    synchronise(farm, "report")
    assert farm.thing(device.dev_eui) is None
    synchronise(farm)
    thing = farm.thing(device.dev_eui)
    assert thing
    assert thing.attributes["stackName"] == "Farm"
    marked = registered(farm, device)
    assert marked
    mark = marks.read(marked["attributes"])
    assert mark
    assert (mark.thing_name, mark.owner) == (device.dev_eui, Owner(farm.aws.region, "000000000000", "Farm"))
    assert farm.on_servers(device.device_id) == ALL_SERVERS


def test_a_thing_created_while_nobody_listened_gets_its_device(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    with events_are_missed(farm):
        farm.create_thing(f"missed-{device.device_id}", **described(device))
    synchronise(farm)
    assert farm.on_servers(device.device_id) == ALL_SERVERS


def test_a_thing_changed_while_nobody_listened_changes_its_device(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    name = f"altered-{device.device_id}"
    farm.create_thing(name, **described(device))
    eventually("the device", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)
    with events_are_missed(farm):
        change = {"attributes": {"frequencyPlanID": "EU_868_1"}, "merge": True}
        farm.aws.client("iot").update_thing(thingName=name, attributePayload=change)
    synchronise(farm)
    network = farm.things_stack.servers.network.devices[farm.application_id, device.device_id]
    assert network["frequency_plan_id"] == "EU_868_1"


def test_a_thing_deleted_while_nobody_listened_takes_its_device(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    farm.create_thing(f"lost-{device.device_id}", **described(device))
    eventually("the device", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)
    with events_are_missed(farm):
        farm.aws.client("iot").delete_thing(thingName=f"lost-{device.device_id}")
    synchronise(farm)
    assert farm.on_servers(device.device_id) == set()


def test_a_thing_whose_attributes_were_overwritten_gets_them_back_and_keeps_its_device(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    name = f"wiped-{device.device_id}"
    farm.create_thing(name, **described(device))
    eventually("the device", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)
    farm.aws.client("iot").update_thing(thingName=name, attributePayload={"attributes": {"room": "12"}, "merge": False})
    synchronise(farm)
    assert farm.on_servers(device.device_id) == ALL_SERVERS
    thing = farm.thing(name)
    assert thing
    assert (thing.attributes["devEUI"], thing.attributes["stackName"]) == (device.dev_eui, "Farm")
    assert thing.attributes["room"] == "12"
    assert farm.log(name)[-1]["event"] == "thing_attributes_restored"


def test_a_thing_that_was_created_again_gets_nothing_of_the_thing_that_had_its_name(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    name = f"again-{device.device_id}"
    farm.create_thing(name, **described(device))
    eventually("the device", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)
    iot = farm.aws.client("iot")
    with events_are_missed(farm):
        iot.delete_thing(thingName=name)
        farm.create_thing(name, **described(farm.new_device(registered=False)))
        iot.update_thing(thingName=name, attributePayload={"attributes": {"room": "12"}, "merge": False})
    synchronise(farm)
    assert farm.on_servers(device.device_id) == ALL_SERVERS
    thing = farm.thing(name)
    assert thing
    assert thing.attributes == {"room": "12"}
    kept = farm.log(name)[-1]
    assert (kept["event"], kept["kept_for"]) == ("end_device_kept", None)
    assert f"devEUI {device.dev_eui}" in kept["reason"]


def test_a_stack_that_retains_devices_keeps_those_too(orchard: Bridge) -> None:
    device = orchard.new_device(registered=False)
    orchard.create_thing(f"lost-{device.device_id}", **described(device))
    eventually("the device", lambda: orchard.on_servers(device.device_id) == ALL_SERVERS)
    with events_are_missed(orchard):
        orchard.aws.client("iot").delete_thing(thingName=f"lost-{device.device_id}")
    synchronise(orchard)
    assert orchard.on_servers(device.device_id) == ALL_SERVERS


def test_a_device_that_is_refused_is_not_requested_by_every_run(farm: Bridge) -> None:
    device = farm.new_device(registered=False)
    farm.things_stack.create_application("elsewhere")
    farm.things_stack.register_device(
        "elsewhere", device_id="theirs", dev_eui=device.dev_eui, join_eui=device.join_eui, app_key=APP_KEY
    )
    name = f"refused-{device.device_id}"
    farm.create_thing(name, **described(device))
    refusal = eventually("the refusal", lambda: farm.shadow(name).get("provisioning"))
    assert (refusal["state"], refusal["step"]) == ("failed", "Identity Server")
    log, requests = farm.log(name), len(farm.things_stack.requests)
    synchronise(farm)
    calls = [each for each in list(farm.things_stack.requests)[requests:] if device.device_id in each.path]
    assert {each.method for each in calls} == {"GET"}
    assert farm.shadow(name)["provisioning"] == refusal
    assert farm.log(name) == log
    # The obstacle is removed: after a change of the thing, its device is requested at once.
    with farm.things_stack.lock:
        for server in ("identity", "join", "network", "application"):
            del getattr(farm.things_stack.servers, server).devices["elsewhere", "theirs"]
    change = {"attributes": {"frequencyPlanID": "EU_868_1"}, "merge": True}
    farm.aws.client("iot").update_thing(thingName=name, attributePayload=change)
    eventually("the device", lambda: farm.on_servers(device.device_id) == ALL_SERVERS)


def test_the_function_is_configured_with_what_it_reads_and_nothing_else(farm: Bridge) -> None:
    function = farm.aws.client("lambda").get_function_configuration(FunctionName=farm.outputs["function_names"]["sync"])
    variables = set(function["Environment"]["Variables"])
    read = {setting.name.upper() for setting in (*SyncSettings.fields(), *WorkQueueSettings.fields())}
    # Farm has no private authority, no address of releases, and does not count silent devices.
    assert variables == {"LOG_LEVEL"} | (read - {"CA_CERTIFICATE", "RELEASES_URL", "SILENT_AFTER_SECONDS"})


def test_the_schedule_ticks_into_the_queue_and_the_tick_starts_a_run(farm: Bridge) -> None:
    scheduler = farm.aws.client("scheduler")
    schedule = scheduler.get_schedule(Name="Farm-sync")
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 days)", "ENABLED")
    assert json.loads(schedule["Target"]["Input"]) == {"start": "<aws.scheduler.scheduled-time>"}
    device = farm.new_device()
    scheduler.create_schedule(
        Name="Farm-sync-now",
        ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=schedule["Target"],
        ActionAfterCompletion="DELETE",
    )
    eventually("the thing", lambda: farm.thing(device.dev_eui), timeout=LONG)


def test_a_tick_that_is_no_tick_is_done_with(farm: Bridge) -> None:
    farm.aws.client("sqs").send_message(
        QueueUrl=farm.outputs["queue_urls"]["sync"], MessageBody="no tick", MessageGroupId=MESSAGE_GROUP
    )
    eventually("the end of it", lambda: settled(farm, "sync"))
    assert farm.dead_letters()["sync_dead_letters"] == 0
