"""The modes of `ingest`: what each lets in, and a stack that changes from one to the next.

The stacks of the other tests have one mode each (conftest.py); all modes in turn are tested at full size.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from cli.costs import uplinks
from cli.costs.uplinks import Functions, Shadow, WayIn
from local import leftovers, metering, mqtt
from local.aws import LocalAws
from local.leftovers import left_behind
from local.mqtt import MqttConnection, MqttError
from local.stack import Stack
from local.things_stack import AwsAccess, ThingsStack
from tests import applier
from tests.e2e.conftest import PATIENCE, VAULT_APPLICATION, Bridge, connected, inputs, integrations
from tests.e2e.metered import AT_ONCE, SENT, caused, counted
from tests.e2e.polling import eventually

NAME, APPLICATION = "Meadow", "meadow-app"


def carries_messages(bridge: Bridge) -> None:
    """Join, uplink, shadow; downlink, sent, acknowledged."""
    device = bridge.joined_device()
    network = bridge.things_stack.network
    sent = network.uplink(bridge.application_id, device.device_id, f_port=2, frm_payload=b"\1\2\3")
    uplink = bridge.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE)
    assert uplink.payload == sent.body
    eventually("the uplink in the shadow", lambda: bridge.shadow(device.dev_eui).get("rssi") == -71)
    request = {"thingName": device.dev_eui, "bytes": "Kgc=", "fPort": 15, "confirmed": True}
    bridge.aws.client("iot-data").publish(topic="lorawan/downlink", qos=1, payload=json.dumps(request).encode())
    for event in ("queued", "sent", "ack"):
        bridge.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/{event}", timeout=PATIENCE)
        network.uplink(bridge.application_id, device.device_id)


# Mode webhook, of the stack `orchard` --------------------------------------------------------------------------------


def webhook_of(bridge: Bridge) -> dict[str, Any]:
    """The webhook as it is configured at The Things Stack."""
    webhooks = bridge.things_stack.servers.application.webhooks
    (webhook,) = [each for at, each in webhooks.items() if at[0] == bridge.application_id]
    return dict(webhook)


def test_a_webhook_is_configured_with_a_secret_that_is_not_in_the_state(orchard: Bridge, orchard_stack: Stack) -> None:
    assert [kind for kind, _ in integrations(orchard.things_stack, orchard.application_id)] == ["webhook"]
    assert orchard.outputs["cross_account_role_arn"] is None
    webhook = webhook_of(orchard)
    assert webhook["base_url"] == f"{orchard.outputs['webhook_url'].rstrip('/')}/{orchard.application_id}"
    assert "downlink_api_key" not in webhook
    (secret,) = webhook["headers"].values()
    assert secret not in (orchard_stack.directory / "terraform.tfstate").read_text()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", "uplink", {}, None, 401),
        ("POST", "uplink", {"X-Thingbridge-Secret": "0" * 64}, None, 401),
        ("GET", "console", {}, b"", 401),
        ("GET", "uplink", None, None, 405),
        ("PUT", "uplink", None, None, 405),
        ("POST", "downlink/push", None, None, 404),
        ("POST", "", None, None, 404),
        ("POST", "uplink", None, b" " * (128 * 1024 + 1), 413),
        ("POST", "uplink", None, b"[1]", 400),
        ("POST", "uplink", None, b"\xff\xfe", 400),
        ("POST", "uplink", None, {"end_device_ids": {"application_ids": {"application_id": "barn-app"}}}, 403),
        ("POST", "uplink", None, None, 204),
    ],
    ids=["no secret", "wrong secret", "a stranger", "GET", "PUT", "a request for downlinks", "no path", "too large",
         "a list", "binary", "another application", "what TTS sends"],
)  # fmt: skip
def test_only_the_things_stack_is_admitted_at_the_webhook(
    orchard: Bridge, foreign: AwsAccess, method: str, path: str, headers: dict[str, str] | None, body: Any, status: int
) -> None:
    device = orchard.new_device(registered=False)
    if body is None:
        ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}
        body = {
            "end_device_ids": {**ids, "application_ids": {"application_id": orchard.application_id}},
            "uplink_message": {},
        }
    webhook = webhook_of(orchard)
    if headers is None:
        headers = webhook["headers"]
    url, host = foreign.reach(f"{webhook['base_url']}/{path}")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = requests.request(
        method, url, data=data, headers={"Content-Type": "application/json", **headers, **host}, timeout=20
    )
    assert (answer.status_code, answer.text) == (status, "")
    if status == 204:
        assert orchard.topics.wait_for(f"lorawan/orchard_{device.device_id}/uplink", timeout=PATIENCE).payload == data
    else:
        assert orchard.topics.messages(f"lorawan/orchard_{device.device_id}/#") == []


# Mode mqtt, of the stack `Vault` -----------------------------------------------------------------------------------


def pubsub_of(bridge: Bridge) -> dict[str, Any]:
    """The Pub/Sub integration's provider as it is configured at The Things Stack."""
    pubsubs = bridge.things_stack.servers.application.pubsubs
    (pubsub,) = [each for at, each in pubsubs.items() if at[0] == bridge.application_id]
    return dict(pubsub["mqtt"])


def test_a_client_certificate_is_active_and_its_key_is_not_in_the_state(vault: Bridge, vault_stack: Stack) -> None:
    iot, pem = vault.aws.client("iot"), base64.b64decode(pubsub_of(vault)["tls_client_cert"]).decode()
    described = [
        iot.describe_certificate(certificateId=each["certificateId"])["certificateDescription"]
        for each in iot.list_certificates()["certificates"]
    ]
    assert [each["status"] for each in described if each["certificatePem"].strip() == pem.strip()] == ["ACTIVE"]
    assert b"PRIVATE KEY" in base64.b64decode(pubsub_of(vault)["tls_client_key"])
    assert "PRIVATE KEY" not in (vault_stack.directory / "terraform.tfstate").read_text()


def test_the_certificate_connects_only_as_its_client_publishes_only_for_its_stack_and_receives_nothing(
    vault: Bridge,
) -> None:
    aws, provider = vault.aws, pubsub_of(vault)
    certificate, key = (base64.b64decode(provider[name]).decode() for name in ("tls_client_cert", "tls_client_key"))

    def connect(client_id: str) -> MqttConnection:
        return mqtt.connect_with_certificate(
            "127.0.0.1",
            int(aws.mqtt_port or 0),
            client_id,
            certificate=certificate,
            private_key=key,
            authority=aws.mqtt_authority(),
        )

    with pytest.raises(MqttError):
        connect("another-client")
    for topic in ("lorawan/downlink", "thethings/lorawan/Farm/uplink", "$aws/things/x/shadow/update"):
        with connect(provider["client_id"]) as connection, pytest.raises(MqttError):
            connection.publish(topic, b"{}")
    for topic in ("#", "thethings/lorawan/Vault/#", "lorawan/+/uplink"):
        with connect(provider["client_id"]) as connection, pytest.raises(MqttError):
            connection.subscribe(topic)
    # The Things Stack was disconnected: its client id was in use elsewhere.
    connected(vault.things_stack, VAULT_APPLICATION)


# One mode after the other ------------------------------------------------------------------------------------------


class Meadow:
    """A stack of its own, applied with one mode after the other."""

    def __init__(self, aws: LocalAws, stack: Stack, simulation: ThingsStack, topics: MqttConnection) -> None:
        self.aws, self.stack, self.simulation, self.topics = aws, stack, simulation, topics
        self._bridge: Bridge | None = None

    def take(self, mode: str, **settings: Any) -> Bridge:
        """Apply with this mode, unless it is so already, and wait until it works."""
        ingest = {"mode": mode, **settings}
        if self._bridge is None or self.stack.inputs.get("ingest") != ingest:
            self.stack.inputs = {**self.stack.inputs, "ingest": ingest}
            leftovers.apply(self.stack, self.aws) if self._bridge is None else self.stack.apply()
            outputs = self.stack.output()
            self._bridge = Bridge(NAME, APPLICATION, self.aws, self.simulation, self.topics, outputs)
        connected(self.simulation, APPLICATION)
        return self._bridge

    @property
    def configured(self) -> set[tuple[str, str]]:
        """What the application has at The Things Stack."""
        return integrations(self.simulation, APPLICATION)

    @property
    def certificates(self) -> list[dict[str, Any]]:
        return list(self.aws.client("iot").list_certificates()["certificates"])

    def role(self, name: str, distinct: str) -> str:
        """The name of a role: with a digest, as IAM does not distinguish names by case."""
        return f"{name}-{hashlib.sha256(distinct.encode()).hexdigest()[:8]}-{self.aws.region}"

    @property
    def own(self) -> set[str]:
        """Names in AWS of what only one mode has."""
        names = {name for name, _ in left_behind(self.aws, NAME)}
        return {name for name in names if "things-stack" in name or "webhook" in name.lower()}

    @property
    def mqtt_settings(self) -> dict[str, Any]:
        return {"server_url": self.aws.mqtt_url, "ca_certificate": self.aws.mqtt_authority()}


@pytest.fixture(scope="module")
def meadow(
    aws: LocalAws, simulation: ThingsStack, topics: MqttConnection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Meadow]:
    given = inputs(simulation, NAME, APPLICATION)
    stack = Stack(tmp_path_factory.mktemp("meadow"), given, environment=applier.environment(aws, NAME))
    yield Meadow(aws, stack, simulation, topics)
    stack.destroy()


@pytest.fixture(autouse=True)
def strict(things_stack: ThingsStack) -> None:
    """A request that breaks the API of The Things Stack fails the test that caused it."""


@pytest.mark.soak
def test_the_package_of_the_hosted_deployment(meadow: Meadow) -> None:
    bridge = meadow.take("package")
    assert meadow.configured == {("package", "198")}
    (role,) = meadow.own
    # Of the name, 64 bits can't be guessed: without an external id, nothing else protects the role.
    assert bridge.outputs["external_id"] is None
    assert re.fullmatch("Meadow-things-stack-[0-9a-f]{16}", role)
    assert role.rpartition("-")[2] != hashlib.sha256(NAME.encode()).hexdigest()[:16]
    # It is the role that The Things Stack is configured with, and assumes.
    (package,) = bridge.things_stack.servers.application.associations.values()
    assert package["data"]["role_arn"] == bridge.outputs["cross_account_role_arn"]
    assert package["data"]["role_arn"].endswith(f":role/{role}")
    carries_messages(bridge)


@pytest.mark.soak
def test_a_webhook_replaces_the_package(meadow: Meadow) -> None:
    bridge = meadow.take("webhook")
    assert [kind for kind, _ in meadow.configured] == ["webhook"]
    assert meadow.own == {
        "Meadow-webhook",
        meadow.role("Meadow-webhook", "Meadow-webhook"),
        "Meadow-webhook-url",
        "Meadow/WebhookSecret",
        "/aws/lambda/Meadow-webhook",
    }
    carries_messages(bridge)


IOT_CORE = {"basic_ingest": True, "webhook": {"receiver": "iot_core"}}


def posted(bridge: Bridge, headers: dict[str, str], topic: str = "thethings/lorawan/Meadow/uplink") -> int:
    """The status of the answer of AWS IoT to a message of an unknown device, posted as The Things Stack does."""
    access = AwsAccess(bridge.aws.endpoint_url, "", "")
    url, host = access.reach(f"https://{bridge.outputs['iot_endpoint']}/topics/{topic}?qos=1")
    return requests.post(url, data=b"{}", headers={**headers, **host}, timeout=20).status_code


@pytest.mark.soak
def test_aws_iot_core_replaces_the_function_that_receives_webhooks(meadow: Meadow) -> None:
    bridge = meadow.take("webhook", **IOT_CORE)
    assert [kind for kind, _ in meadow.configured] == ["webhook"]
    # The authorizer.
    assert meadow.own == {"Meadow-webhook"}
    carries_messages(bridge)
    headers = webhook_of(bridge)["headers"]
    state = (meadow.stack.directory / "terraform.tfstate").read_text()
    assert not [name for name in ("X-Thingbridge-Token", "X-Amz-Customauthorizer-Signature") if headers[name] in state]


@pytest.mark.soak
def test_what_aws_iot_core_receives_costs_no_invocation_and_with_basic_ingest_no_message(meadow: Meadow) -> None:
    bridge = meadow.take("webhook", **IOT_CORE)
    device = bridge.joined_device()
    metered = metering.usage(caused(bridge, device, device.dev_eui), NAME)
    assert counted(metered) == counted(uplinks.ours(WayIn.IOT_CORE_BASIC, Shadow(), Functions(), gap=AT_ONCE) * SENT)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("topic", "changed", "status"),
    [
        ("thethings/lorawan/Meadow/uplink", {}, 200),
        ("$aws/rules/Meadow_upstream/thethings/lorawan/Meadow/uplink", {}, 200),
        ("thethings/lorawan/Farm/uplink", {}, 403),
        ("$aws/rules/Farm_upstream/thethings/lorawan/Farm/uplink", {}, 403),
        ("lorawan/downlink", {}, 403),
        ("thethings/lorawan/Meadow/uplink", {"X-Thingbridge-Token": "another"}, 403),
        ("thethings/lorawan/Meadow/uplink", {"X-Amz-Customauthorizer-Signature": "QQ=="}, 403),
        ("thethings/lorawan/Meadow/uplink", {"X-Amz-Customauthorizer-Name": "other"}, 403),
    ],
)
def test_a_token_admits_to_the_topics_of_its_stack_alone(
    meadow: Meadow, topic: str, changed: dict[str, str], status: int
) -> None:
    bridge = meadow.take("webhook", **IOT_CORE)
    assert posted(bridge, {**webhook_of(bridge)["headers"], **changed}, topic) == status


@pytest.mark.soak
def test_a_raised_version_replaces_the_token_without_losing_a_message(meadow: Meadow) -> None:
    bridge = meadow.take("webhook", **IOT_CORE)
    before = webhook_of(bridge)["headers"]
    device, network = bridge.joined_device(), bridge.things_stack.network
    over, sent = threading.Event(), list[str]()

    def send() -> None:
        while not over.is_set():
            sent.append(network.uplink(bridge.application_id, device.device_id, f_port=2, frm_payload=b"\1").body)
            over.wait(0.5)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        bridge = meadow.take("webhook", basic_ingest=True, webhook={"receiver": "iot_core", "secret_version": 2})
        over.set()
        sending.result()
    topic = f"lorawan/{device.dev_eui}/uplink"
    eventually("every uplink", lambda: {each.payload for each in bridge.topics.messages(topic)} >= set(sent), PATIENCE)
    assert len(sent) > 5
    after = webhook_of(bridge)["headers"]
    assert (posted(bridge, before), posted(bridge, after)) == (403, 200)


@pytest.mark.soak
def test_a_client_certificate_replaces_the_webhook_and_an_apply_keeps_it(meadow: Meadow) -> None:
    bridge = meadow.take("mqtt", mqtt=meadow.mqtt_settings)
    assert [kind for kind, _ in meadow.configured] == ["pubsub"]
    (policy,) = meadow.own
    assert policy == "Meadow-things-stack"
    (certificate,) = meadow.certificates
    carries_messages(bridge)

    # What an interrupted apply may have left.
    iot = meadow.aws.client("iot")
    orphan = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName=policy, target=orphan["certificateArn"])
    meadow.stack.inputs = {**meadow.stack.inputs, "application_api_key_version": 2}
    meadow.stack.apply()
    assert [each["certificateId"] for each in meadow.certificates] == [certificate["certificateId"]]
    carries_messages(bridge)


@pytest.mark.soak
def test_a_raised_version_brings_a_new_certificate_and_deletes_the_old_one_with_basic_ingest(meadow: Meadow) -> None:
    meadow.take("mqtt", mqtt=meadow.mqtt_settings)
    (before,) = meadow.certificates
    bridge = meadow.take("mqtt", basic_ingest=True, mqtt={**meadow.mqtt_settings, "certificate_version": 2})
    (after,) = meadow.certificates
    assert after["certificateId"] != before["certificateId"]
    carries_messages(bridge)


@pytest.mark.soak
def test_a_destroy_leaves_nothing_of_any_mode(meadow: Meadow) -> None:
    meadow.take("mqtt", basic_ingest=True, mqtt={**meadow.mqtt_settings, "certificate_version": 2})
    assert meadow.stack.destroy() < 120
    assert meadow.configured == set()
    assert meadow.certificates == []
    assert [name for name, _ in left_behind(meadow.aws, NAME)] == []
