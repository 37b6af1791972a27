"""The ways in but the default one: one stack that changes from each to the next, and what nobody but TTS gets in by.

The tests build on each other's stack: a change of the way in is what is tested, and an apply takes its time.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local import leftovers, mqtt
from local.aws import LocalAws
from local.leftovers import left_behind
from local.mqtt import MqttConnection, MqttError
from local.stack import Stack
from local.terraform import ProviderSource
from local.things_stack import ThingsStack
from tests.e2e.conftest import PATIENCE, Bridge, inputs
from tests.e2e.polling import eventually

pytestmark = pytest.mark.xdist_group("ways-in")

NAME, APPLICATION = "Meadow", "meadow-app"


@pytest.fixture(scope="module")
def stack(
    aws: LocalAws, simulation: ThingsStack, provider: ProviderSource, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    given = inputs(simulation, NAME, APPLICATION)
    meadow = Stack(tmp_path_factory.mktemp("meadow"), given, environment=aws.environment(), provider=provider)
    yield meadow
    meadow.destroy()


@pytest.fixture(scope="module")
def ways(aws: LocalAws, stack: Stack, simulation: ThingsStack, topics: MqttConnection) -> "Ways":
    return Ways(aws, stack, simulation, topics)


@pytest.fixture(autouse=True)
def strict(things_stack: ThingsStack) -> None:
    """A request that breaks the API of The Things Stack fails the test that caused it."""


class Ways:
    """The stack, applied with one way in after the other."""

    def __init__(self, aws: LocalAws, stack: Stack, simulation: ThingsStack, topics: MqttConnection) -> None:
        self.aws, self.stack, self.simulation, self.topics = aws, stack, simulation, topics
        self._bridge: Bridge | None = None

    def take(self, mode: str, **settings: Any) -> Bridge:
        """Apply with this way in, unless it is so already, and wait until it works."""
        ingest = {"mode": mode, **settings}
        if self._bridge is None or self.stack.inputs.get("ingest") != ingest:
            self.stack.inputs = {**self.stack.inputs, "ingest": ingest}
            leftovers.apply(self.stack, self.aws) if self._bridge is None else self.stack.apply()
            outputs = self.stack.output()
            self._bridge = Bridge(NAME, APPLICATION, self.aws, self.simulation, self.topics, outputs)
        ((_, _, id_),) = self.configured
        self.simulation.integrations.wait(APPLICATION, id_, until="connected", timeout=PATIENCE)
        return self._bridge

    @property
    def configured(self) -> set[tuple[str, str, str]]:
        """What the application has at The Things Stack: (sort, application, id)."""
        server = self.simulation.servers.application
        sorts = {"pubsub": server.pubsubs, "webhook": server.webhooks, "package": server.associations}
        return {(sort, *at) for sort, records in sorts.items() for at in records if at[0] == APPLICATION}

    @property
    def certificates(self) -> list[dict[str, Any]]:
        return list(self.aws.client("iot").list_certificates()["certificates"])

    @property
    def own(self) -> set[str]:
        """Names in AWS of what only one way in has."""
        names = {name for name, _ in left_behind(self.aws, NAME)}
        return {name for name in names if "things-stack" in name or "webhook" in name.lower()}


def carries_messages(bridge: Bridge) -> None:
    """Join, uplink, shadow; downlink, sent, acknowledged."""
    device = bridge.joined_device()
    network = bridge.things_stack.network
    sent = network.uplink(APPLICATION, device.device_id, f_port=2, frm_payload=b"\1\2\3")
    uplink = bridge.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE)
    assert uplink.payload == sent.body
    eventually("the uplink in the shadow", lambda: bridge.shadow(device.dev_eui).get("rssi") == -71)
    request = {"thingName": device.dev_eui, "bytes": "Kgc=", "fPort": 15, "confirmed": True}
    bridge.aws.client("iot-data").publish(topic="lorawan/downlink", qos=1, payload=json.dumps(request).encode())
    for event in ("queued", "sent", "ack"):
        bridge.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/{event}", timeout=PATIENCE)
        network.uplink(APPLICATION, device.device_id)


def test_the_package_of_the_hosted_deployment(ways: Ways) -> None:
    meadow = ways.take("package")
    assert ways.configured == {("package", APPLICATION, "198")}
    assert ways.own == {"Meadow-things-stack"}
    assert meadow.outputs["external_id"] is None
    carries_messages(meadow)


def test_a_webhook_takes_the_place_of_the_package(ways: Ways) -> None:
    meadow = ways.take("webhook")
    ((sort, _, id_),) = ways.configured
    assert sort == "webhook"
    assert ways.own == {"Meadow-webhook", "Meadow-webhook-url", "Meadow/WebhookSecret", "/aws/lambda/Meadow-webhook"}
    assert meadow.outputs["cross_account_role_arn"] is None
    webhook = ways.simulation.servers.application.webhooks[APPLICATION, id_]
    assert webhook["base_url"] == meadow.outputs["webhook_url"].rstrip("/")
    assert "downlink_api_key" not in webhook
    (secret,) = webhook["headers"].values()
    assert secret not in (ways.stack.directory / "terraform.tfstate").read_text()
    carries_messages(meadow)


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
def test_nobody_but_the_things_stack_is_let_in_at_the_webhook(
    ways: Ways, method: str, path: str, headers: dict[str, str] | None, body: Any, status: int
) -> None:
    meadow = ways.take("webhook")
    device = meadow.new_device(registered=False)
    if body is None:
        ids = {"device_id": device.device_id, "dev_eui": device.dev_eui}
        body = {"end_device_ids": {**ids, "application_ids": {"application_id": APPLICATION}}, "uplink_message": {}}
    if headers is None:
        (webhook,) = [each for at, each in ways.simulation.servers.application.webhooks.items() if at[0] == APPLICATION]
        headers = webhook["headers"]
    url, host = ways.simulation.aws.reach(f"{meadow.outputs['webhook_url']}{path}")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = requests.request(
        method, url, data=data, headers={"Content-Type": "application/json", **headers, **host}, timeout=20
    )
    assert (answer.status_code, answer.text) == (status, "")
    if status == 204:
        assert meadow.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE).payload == data
    else:
        assert meadow.topics.messages(f"lorawan/{device.dev_eui}/#") == []


def mqtt_settings(aws: LocalAws) -> dict[str, Any]:
    return {"server_url": aws.mqtt_url, "ca_certificate": aws.mqtt_authority()}


def test_a_client_certificate_takes_the_place_of_the_webhook_and_no_apply_makes_a_second(ways: Ways) -> None:
    meadow = ways.take("mqtt", mqtt=mqtt_settings(ways.aws))
    ((sort, _, id_),) = ways.configured
    assert sort == "pubsub"
    (policy,) = ways.own
    assert policy.startswith("Meadow-things-stack-")
    (certificate,) = ways.certificates
    assert certificate["status"] == "ACTIVE"
    key = base64.b64decode(ways.simulation.servers.application.pubsubs[APPLICATION, id_]["mqtt"]["tls_client_key"])
    assert b"PRIVATE KEY" in key
    assert "PRIVATE KEY" not in (ways.stack.directory / "terraform.tfstate").read_text()
    carries_messages(meadow)

    # What an apply that broke off may have left.
    orphan = ways.aws.client("iot").create_keys_and_certificate(setAsActive=True)
    ways.aws.client("iot").attach_policy(policyName=policy, target=orphan["certificateArn"])
    ways.stack.inputs = {**ways.stack.inputs, "application_api_key_version": 2}
    ways.stack.apply()
    assert [each["certificateId"] for each in ways.certificates] == [certificate["certificateId"]]
    carries_messages(meadow)


def test_the_certificate_connects_as_nobody_else_publishes_nowhere_else_and_hears_nothing(ways: Ways) -> None:
    ways.take("mqtt", mqtt=mqtt_settings(ways.aws))
    ((_, _, id_),) = ways.configured
    pubsub = ways.simulation.servers.application.pubsubs[APPLICATION, id_]["mqtt"]
    certificate, key = (base64.b64decode(pubsub[name]).decode() for name in ("tls_client_cert", "tls_client_key"))

    def connect(client_id: str) -> MqttConnection:
        return mqtt.connect_with_certificate(
            "127.0.0.1",
            int(ways.aws.mqtt_port or 0),
            client_id,
            certificate=certificate,
            private_key=key,
            authority=ways.aws.mqtt_authority(),
        )

    with pytest.raises(MqttError):
        connect("somebody-else")
    for topic in ("lorawan/downlink", "thethings/lorawan/Farm/uplink", "$aws/things/x/shadow/update"):
        with connect(pubsub["client_id"]) as connection, pytest.raises(MqttError):
            connection.publish(topic, b"{}")
    for topic in ("#", "thethings/lorawan/Meadow/#", "lorawan/+/uplink"):
        with connect(pubsub["client_id"]) as connection, pytest.raises(MqttError):
            connection.subscribe(topic)


def test_a_raised_version_brings_a_new_certificate_and_the_old_one_goes(ways: Ways) -> None:
    ways.take("mqtt", mqtt=mqtt_settings(ways.aws))
    (before,) = ways.certificates
    meadow = ways.take("mqtt", mqtt={**mqtt_settings(ways.aws), "certificate_version": 2})
    (after,) = ways.certificates
    assert after["certificateId"] != before["certificateId"]
    carries_messages(meadow)


def test_a_destroy_leaves_nothing_of_any_way_in(ways: Ways) -> None:
    ways.take("mqtt", mqtt={**mqtt_settings(ways.aws), "certificate_version": 2})
    assert ways.stack.destroy() < 120
    assert ways.configured == set()
    assert ways.certificates == []
    assert [name for name, _ in left_behind(ways.aws, NAME)] == []
