"""The directory on an applied stack: what registry events and the comparison write, and what a cold start asks."""

import json
import time
from typing import Any

from cli.costs import uplinks
from cli.costs.prices import Item
from local import metering
from local.metering import REGISTRY, Meter
from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.knowing import known, table
from tests.e2e.polling import eventually
from tests.e2e.test_sync import events_are_missed


def start_cold(bridge: Bridge) -> None:
    """The copies of the function `upstream` that run know nothing more."""
    functions = bridge.aws.client("lambda")
    name = bridge.outputs["function_names"]["upstream"]
    environment = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    # Changed and changed back: the next plan finds it as it was.
    for variables in ({**environment, "STARTED": "again"}, environment):
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def send(bridge: Bridge, device: Any, thing_name: str) -> None:
    seen = len(bridge.topics.messages())
    bridge.things_stack.network.uplink(device.application_id, device.device_id, f_port=2, frm_payload=b"\1")
    bridge.topics.wait_for(f"lorawan/{thing_name}/uplink", after=seen, timeout=PATIENCE)


def test_a_device_that_any_copy_has_met_costs_no_registry_call_after_a_cold_start(farm: Bridge) -> None:
    device = farm.joined_device()
    assert eventually("the directory", lambda: known(farm, device.dev_eui) == device.dev_eui)
    start_cold(farm)
    meter = Meter(farm.aws.records, farm.name, ("upstream",)) if farm.aws.records else None
    mark = meter.mark() if meter else 0
    send(farm, device, device.dev_eui)
    if meter:
        metered = metering.usage(meter.since(mark), farm.name)
        assert metered.quantities[uplinks.DIRECTORY, Item.DYNAMODB_READ] == 0.5
        assert (REGISTRY, Item.IOT_OPERATION) not in metered.quantities


def test_a_thing_that_is_renamed_moved_or_deleted_is_noticed_by_its_event(farm: Bridge) -> None:
    iot, device = farm.aws.client("iot"), farm.new_device(registered=False)
    farm.create_thing("directory-barn", devEUI=device.dev_eui.lower())
    eventually("the new thing", lambda: known(farm, device.dev_eui) == "directory-barn")
    iot.delete_thing(thingName="directory-barn")
    eventually("the deletion", lambda: known(farm, device.dev_eui) == "look it up")
    farm.create_thing("directory-shed", devEUI=device.dev_eui)
    eventually("the other name", lambda: known(farm, device.dev_eui) == "directory-shed")
    moved = {"attributes": {"stackName": "Mill"}, "merge": True}
    iot.update_thing(thingName="directory-shed", attributePayload=moved)
    eventually("the move", lambda: known(farm, device.dev_eui) == "look it up")
    ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}
    farm.publish_upstream("uplink", json.dumps({"end_device_ids": ids, "uplink_message": {"f_port": 1}}).encode())
    reason = f"DevEUI {device.dev_eui} is registered for mismatching stack"
    eventually("the refusal", lambda: reason in {entry.get("reason") for entry in farm.log("directory-shed")})


def test_what_events_missed_and_new_devices_are_known_after_a_survey(farm: Bridge) -> None:
    farm.create_thing("directory-mill", devEUI="A81758FFFEDD0001")
    eventually("the new thing", lambda: known(farm, "A81758FFFEDD0001") == "directory-mill")
    items = farm.aws.client("dynamodb")
    items.delete_item(TableName="Farm-directory", Key={"device": {"S": "A81758FFFEDD0001"}})
    farm.aws.client("sqs").send_message(
        QueueUrl=farm.outputs["queue_urls"]["sync"],
        MessageBody='{"survey": {"token": null}}',
        MessageGroupId="sync",
        MessageDeduplicationId="directory-survey",
    )
    eventually("the survey", lambda: table(farm).survey().complete_until > 0, 60)
    assert known(farm, "A81758FFFEDD0001") == "directory-mill"
    start_cold(farm)
    device = farm.new_device()
    meter = Meter(farm.aws.records, farm.name, ("upstream",)) if farm.aws.records else None
    mark = meter.mark() if meter else 0
    farm.things_stack.network.join(device.application_id, device.device_id)
    farm.topics.wait_for(f"lorawan/{device.dev_eui}/join", timeout=PATIENCE)
    if meter:
        called = [str(each["operation"]) for each in meter.since(mark) if each["kind"] == "request"]
        assert called.count("iot:CreateThing") == 1
        assert not {"iot:DescribeThing", "iot:ListThings"} & set(called)


def test_a_thing_that_a_message_made_beside_a_persons_is_undone(farm: Bridge) -> None:
    """Whose event is on its way: here it is sent by hand."""
    iot, device, now = farm.aws.client("iot"), farm.new_device(registered=False), int(time.time() * 1_000_000)
    with events_are_missed(farm):
        farm.create_thing("directory-tower", devEUI=device.dev_eui)
        created = {"devEUI": device.dev_eui, "stackName": "Farm", "deviceID": device.device_id}
        iot.create_thing(thingName=device.dev_eui, thingTypeName="lorawan", attributePayload={"attributes": created})
    farm.aws.client("dynamodb").put_item(
        TableName="Farm-directory",
        Item={
            "device": {"S": device.dev_eui},
            "thing": {"S": device.dev_eui},
            "as_of": {"N": "1"},
            "made_at": {"N": str(now)},
        },
    )
    event = {"thingName": "directory-tower", "at": now // 1000, "devEUI": device.dev_eui}
    farm.aws.client("sqs").send_message(QueueUrl=farm.outputs["queue_urls"]["directory"], MessageBody=json.dumps(event))
    eventually("the undoing", lambda: farm.thing(device.dev_eui) is None)
    eventually("the person's thing", lambda: known(farm, device.dev_eui) == "directory-tower")
