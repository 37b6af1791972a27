"""MQTT: over WebSocket, signed with Signature Version 4, and over TLS with a client certificate. And HTTP: how a
response is sent."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from local.emulator.probes.account import Account, allow, policy
from local.emulator.probes.probe import Probe, expect
from local.mqtt import Credentials, MqttConnection, MqttError


def credentials(account: Account, *statements: dict[str, object]) -> Credentials:
    """Of a user who may connect and do what the statements allow."""
    made = account.user(allow("iot:Connect"), *statements)
    return Credentials(made["aws_access_key_id"], made["aws_secret_access_key"])


def websocket_of_a_role(account: Account) -> None:
    topic = account.name()
    rights = allow(["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"])
    role = account.role({"AWS": "*"}, rights)
    session = account.client("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
    token = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    with account.aws.mqtt(account.name(), token) as connection:
        connection.subscribe(topic)
        connection.publish(topic, b"\x00\xff")
        payload = connection.wait_for(topic).payload
    expect(payload == b"\x00\xff", payload)


def websocket_with_a_wrong_secret(account: Account) -> None:
    wrong = Credentials(credentials(account).access_key, "wrong")
    with contextlib.suppress(MqttError):
        account.aws.mqtt(account.name(), wrong).close()
        raise AssertionError("the connection was accepted")


def closed_by(account: Account, forbidden: Callable[[MqttConnection], object]) -> None:
    allowed = allow(["iot:Publish", "iot:Subscribe", "iot:Receive"], account.arn("iot", "*/allowed"))
    with account.aws.mqtt(account.name(), credentials(account, allowed)) as connection:
        connection.subscribe("allowed")
        connection.publish("allowed", b"1")
        try:
            forbidden(connection)
        except MqttError:
            expect(not connection.connected, "a connection that is still open")
            return
        raise AssertionError("it was accepted")


def refused_publish(account: Account) -> None:
    closed_by(account, lambda connection: connection.publish("forbidden", b"1"))


def refused_subscribe(account: Account) -> None:
    closed_by(account, lambda connection: connection.subscribe("forbidden"))


def client_certificate(account: Account) -> None:
    iot, topic, name = account.client("iot"), account.name(), account.name()
    made = iot.create_keys_and_certificate(setAsActive=True)
    rights = [allow("iot:Connect"), allow("iot:Publish", account.arn("iot", f"topic/{topic}/allowed"))]
    iot.create_policy(policyName=name, policyDocument=policy(*rights))
    iot.attach_policy(policyName=name, target=made["certificateArn"])
    with account.aws.mqtt(account.name()) as watcher, tempfile.TemporaryDirectory() as directory:
        watcher.subscribe(f"{topic}/#")
        client = certificate_client(account, Path(directory), made["certificatePem"], made["keyPair"]["PrivateKey"])
        closed = threading.Event()
        client.on_disconnect = lambda *_: closed.set()
        try:
            client.publish(f"{topic}/allowed", b"1", qos=1).wait_for_publish(10)
            client.publish(f"{topic}/forbidden", b"1", qos=1)
            expect(closed.wait(10), "a connection that is still open")
        finally:
            client.loop_stop()
        watcher.wait_for(f"{topic}/allowed")
        topics = [message.topic for message in watcher.messages()]
    expect(topics == [f"{topic}/allowed"], topics)


def presence_of_a_certificate(account: Account) -> None:
    iot, queue, name = account.client("iot"), account.queue(), account.name()
    made = iot.create_keys_and_certificate(setAsActive=True)
    # Other probes connect with certificates as well.
    where = (
        f"principalIdentifier = '{made['certificateId']}' AND regexp_matches(principalIdentifier, '^[0-9a-f]{{64}}$')"
    )
    account.rule(f"SELECT * FROM '$aws/events/presence/connected/+' WHERE {where}", account.to_queue(queue))
    iot.create_policy(policyName=name, policyDocument=policy(allow("iot:Connect")))
    iot.attach_policy(policyName=name, target=made["certificateArn"])
    with tempfile.TemporaryDirectory() as directory:
        client = certificate_client(account, Path(directory), made["certificatePem"], made["keyPair"]["PrivateKey"])
        client.disconnect()
        client.loop_stop()
    (event,) = [json.loads(body) for body in account.received(queue)]
    expect({"clientId", "timestamp"} <= event.keys(), event)


def response_in_one_piece(account: Account) -> None:
    url = urlsplit(account.aws.endpoint_url)
    request = f"GET /_ministack/health HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        for _ in range(20):
            connection.sendall(request)
            head, _, body = connection.recv(2**16).partition(b"\r\n\r\n")
            lengths = [line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length:")]
            expect([len(body)] == [int(each) for each in lengths], (head, body))


def certificate_client(account: Account, directory: Path, certificate: str, key: str) -> paho.Client:
    """A client that has connected with this certificate (PEM), without reconnecting."""
    files = {"ca": account.aws.mqtt_authority(), "certificate": certificate, "key": key}
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    context = ssl.create_default_context(cafile=str(directory / "ca"))
    context.load_cert_chain(directory / "certificate", directory / "key")
    client = paho.Client(CallbackAPIVersion.VERSION2, account.name(), reconnect_on_failure=False)
    client.tls_set_context(context)
    connected = threading.Event()
    client.on_connect = lambda _client, _userdata, _flags, code, _properties: code.is_failure or connected.set()
    address = urlsplit(account.aws.mqtt_url)
    client.connect(str(address.hostname), int(address.port or 0))
    client.loop_start()
    if not connected.wait(10):
        client.loop_stop()
        raise AssertionError("the connection was not accepted within 10 s")
    return client


PROBES = (
    Probe("MQTT over WebSocket takes the signature of an assumed role, its token appended", websocket_of_a_role),
    Probe("MQTT over WebSocket refuses a wrong secret", websocket_with_a_wrong_secret),
    Probe("A PUBLISH that the caller's policy does not allow closes the connection", refused_publish),
    Probe("A SUBSCRIBE that the caller's policy does not allow closes the connection", refused_subscribe),
    Probe("MQTT with a client certificate is held to the policy of the certificate", client_certificate),
    Probe("A rule is passed a connection with a client certificate, by its id", presence_of_a_certificate),
    Probe("A response over HTTP is sent in one piece: head and body", response_in_one_piece),
)
