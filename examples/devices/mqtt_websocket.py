"""An app: MQTT over WebSocket, signed with the app's AWS credentials. It prints what is published on a topic filter.

    pip install boto3 paho-mqtt
    python mqtt_websocket.py 'farm/record/#'

The credentials need iot:Connect, iot:Subscribe and iot:Receive. They and the region are found as by all AWS tools.
"""

import argparse
import os
import uuid
from urllib.parse import quote, urlsplit

import boto3
import paho.mqtt.client as paho
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("filter", help="topic filter, such as farm/record/#")
parser.add_argument("--count", type=int, help="end after so many messages")
given = parser.parse_args()

session = boto3.Session()
host = session.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
# AWS_ENDPOINT_URL: an AWS on this machine. The signature is for the name of the endpoint all the same.
address = urlsplit(os.environ.get("AWS_ENDPOINT_URL") or f"https://{host}")
received: list[paho.MQTTMessage] = []


def signed_path() -> str:
    """`/mqtt?X-Amz-…`. Unlike for other services, the token of temporary credentials is appended after signing."""
    held = session.get_credentials().get_frozen_credentials()
    request = AWSRequest("GET", f"https://{host}/mqtt")
    signer = Credentials(held.access_key, held.secret_key)
    SigV4QueryAuth(signer, "iotdevicegateway", session.region_name, expires=300).add_auth(request)
    token = f"&X-Amz-Security-Token={quote(held.token, safe='')}" if held.token else ""
    return f"/mqtt?{urlsplit(request.url).query}{token}"


def before_each_connection(client: paho.Client, _userdata: object) -> None:
    """A signature is valid for minutes: each connection, also a later one, gets its own."""
    client.ws_set_options(path=signed_path(), headers={"Host": host})


def on_connect(client: paho.Client, _userdata: object, _flags: object, code: object, _properties: object) -> None:
    print("connected:", code, flush=True)
    client.subscribe(given.filter, qos=1)


def on_subscribe(_client: paho.Client, _userdata: object, _mid: int, codes: list[object], _properties: object) -> None:
    print("subscribed:", *codes, flush=True)


def on_message(client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
    received.append(message)
    print(message.topic, message.payload.decode(errors="replace"), flush=True)
    if len(received) == given.count:
        client.disconnect()


client = paho.Client(
    paho.CallbackAPIVersion.VERSION2, client_id=f"reader-{uuid.uuid4().hex[:12]}", transport="websockets"
)
client.on_pre_connect = before_each_connection
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
if address.scheme == "https":
    client.tls_set()
client.connect(address.hostname or host, address.port or (443 if address.scheme == "https" else 80))
client.loop_forever()
