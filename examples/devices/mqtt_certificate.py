"""A device: MQTT with its certificate. It reads its shadow, reports what is desired as done, and sends readings.

    pip install paho-mqtt
    python mqtt_certificate.py hall-3-probe --topic farm/sensor/temperature/hall-3-probe --count 3

The directory is one that `thingbridge devices create NAME --directory` has written.
"""

import argparse
import json
import ssl
import threading
from pathlib import Path

import paho.mqtt.client as paho

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory", type=Path, help="directory of the device's credentials")
parser.add_argument("--topic", required=True, help="topic of its readings")
parser.add_argument("--count", type=int, default=10, help="readings to send")
parser.add_argument("--interval", type=float, default=1.0, help="seconds between them")
parser.add_argument("--server", metavar="HOST:PORT", help="instead of the endpoint in device.json")
given = parser.parse_args()

device = json.loads((given.directory / "device.json").read_text(encoding="utf-8"))
shadow = f"$aws/things/{device['thingName']}/shadow"
subscribed = threading.Event()


def on_connect(client: paho.Client, _userdata: object, _flags: object, code: object, _properties: object) -> None:
    """Also after a lost connection: the subscriptions end with it."""
    print("connected:", code)
    client.subscribe([(f"{shadow}/update/delta", 1), (f"{shadow}/get/accepted", 1)])


def on_subscribe(client: paho.Client, *_: object) -> None:
    client.publish(f"{shadow}/get", b"", qos=1)
    subscribed.set()


def on_message(client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
    state = json.loads(message.payload)["state"]
    delta = state if message.topic.endswith("/delta") else state.get("delta")
    if delta:
        print("to be changed:", json.dumps(delta))
        client.publish(f"{shadow}/update", json.dumps({"state": {"reported": delta}}), qos=1)


client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=device["clientId"])
context = ssl.create_default_context(cafile=str(given.directory / "ca.pem"))
context.load_cert_chain(given.directory / "certificate.pem", given.directory / "private.key")
client.tls_set_context(context)
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message

host, _, port = (given.server or f"{device['endpoint']}:{device['port']}").partition(":")
client.connect(host, int(port))
client.loop_start()
if not subscribed.wait(30):
    raise SystemExit("no connection: is the device enabled, and is nothing else connected with its client id?")
for number in range(given.count):
    reading = {"temperature": 20 + number / 10}
    client.publish(given.topic, json.dumps(reading), qos=1).wait_for_publish(10)
    print("sent:", json.dumps(reading))
    threading.Event().wait(given.interval)
client.disconnect()
client.loop_stop()
