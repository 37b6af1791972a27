"""The step of `make demo` about a device that connects to AWS IoT Core itself, with a certificate of its own.

The steps about devices of The Things Stack, and what runs all of them, are in local/demo.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.environment import STACK_NAME
from local.inspection import NotSeen
from local.mqtt import MqttError
from thingbridge.devices import topics
from thingbridge.devices.fleet import Fleet
from thingbridge.flows.devices.registry import DeviceRegistry
from thingbridge.flows.devices.removal import Removal

if TYPE_CHECKING:
    from local.demo import Demo

PROBE = "hall-3-probe"
DEVICES = {"types": {"temperature": {"initial_shadow_json": json.dumps({"desired": {"reporting_interval": 60}})}}}
"""The variable `devices`: one type of devices that connect to AWS IoT Core themselves."""
PATIENCE = 30.0


def own_certificate(demo: Demo) -> None:
    """A device that connects to AWS IoT Core itself is registered by one call, sends, and is deleted."""
    aws = demo.environment.aws
    if not aws.mqtt_port:
        demo.say("not shown: the port for client certificates of an AWS that was not started here is not known")
        return
    function = aws.client("lambda").get_function_configuration(FunctionName=demo.outputs["function_names"]["devices"])
    request = {"name": PROBE, "type": "temperature", "attributes": {"location": "hall-3"}}
    demo.say(f"invoked {function['FunctionName']}: {json.dumps(request)}")
    answer = aws.client("lambda").invoke(FunctionName=function["FunctionName"], Payload=json.dumps(request))
    device = json.loads(answer["Payload"].read())
    demo.show("it answers once (some)", {name: device[name] for name in ("thingName", "clientId", "certificateId")})
    with aws.mqtt_of_device(device) as connection:
        shadow, reading = f"$aws/things/{PROBE}/shadow", topics.sensor(STACK_NAME, "temperature", PROBE)
        connection.subscribe(f"{shadow}/get/accepted")
        connection.publish(f"{shadow}/get", b"")
        state = connection.wait_for(f"{shadow}/get/accepted", timeout=PATIENCE).json()["state"]
        demo.say(f"connected by mutual TLS; its shadow desires {json.dumps(state['delta'])}")
        assert demo.topics
        demo.topics.subscribe(reading)
        connection.publish(reading, {"temperature": 21.5})
        demo.say(f"    {demo.arrived(reading).json()}")
    try:
        with aws.mqtt_of_device(device) as connection:
            connection.publish(topics.sensor(STACK_NAME, "temperature", "hall-4-probe"), {"temperature": 99})
        raise NotSeen("a refusal: the device published in the name of another one")
    except MqttError:
        demo.say("    refused in the name of another device")
    settings = function["Environment"]["Variables"]
    fleet, table = Fleet.read(STACK_NAME, settings["DEVICES"]), settings.get("TELEMETRY_STATES_TABLE")
    Removal(DeviceRegistry.of(fleet, aws.clients, table)).delete(PROBE)
    try:
        aws.mqtt_of_device(device).close()
        raise NotSeen("a refusal: the device was deleted")
    except MqttError:
        demo.say("deleted with its certificate and shadow: its next connection is refused")
