"""The pub/sub provider `aws_iot`: assumes the customer's role and speaks MQTT over WebSocket with AWS IoT Core.

It knows AWS only by what the pub/sub says (region, role, external id, stack name) and the Stack's own credentials.
What the role or its policy forbids fails here as for The Things Stack: nothing arrives, and `status.reason` says why.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local import mqtt
from local.things_stack import schema
from local.things_stack.aws_access import CONFIG, AwsAccess
from local.things_stack.description import DOWNLINKS
from local.things_stack.errors import ApiError
from local.things_stack.messages import Published

if TYPE_CHECKING:
    from local.things_stack.integrations import Status

Json = dict[str, Any]
SESSION_NAME = "things-stack"
ACKNOWLEDGED_WITHIN = 5.0
"""Seconds a broker has for CONNACK, SUBACK and PUBACK."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
"""Seconds between two attempts to connect: doubled each time."""


class NotConfigured(Exception):
    """The integration lacks what a connection needs; the text says what."""


class AwsIotProvider:
    """One pub/sub integration with AWS IoT Core. A thread keeps it connected until `stop`."""

    def __init__(
        self,
        settings: Json,
        aws: AwsAccess | None,
        status: Status,
        push: Callable[[str, list[Json], bool], None],
        changed: Callable[[], None],
    ) -> None:
        self.status = status
        self._settings, self._aws, self._push, self._changed = settings, aws, push, changed
        self._base = f"thethings/lorawan/{settings.get('default', {}).get('stack_name', '')}"
        self._stopping = threading.Event()
        self._connection: mqtt.MqttConnection | None = None
        self._thread = threading.Thread(target=self._keep_connected, name=f"aws-iot {self._base}", daemon=True)
        self._work = ThreadPoolExecutor(1, thread_name_prefix="downlinks")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._connection is not None:
            self._connection.close()
        self._thread.join(1)  # if it is still connecting it will see that it should stop
        self._work.shutdown(wait=False, cancel_futures=True)
        self._report("stopped", "")

    def deliver(self, published: Published, /) -> bool:
        """Publish with QoS 1; True once the broker has acknowledged it."""
        if self._connection is None:
            return False
        try:
            self._connection.publish(f"{self._base}/{published.topic}", published.body, timeout=ACKNOWLEDGED_WITHIN)
        except mqtt.MqttError:
            return False
        return True

    def _keep_connected(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stopping.is_set():
            try:
                connection = self._connection = self._connect()
                if self._stopping.is_set():
                    connection.close()
                    return
                self._report("connected", "")
                pause = SHORTEST_PAUSE
                reason = connection.wait_until_closed()
                connection.close()
            except (NotConfigured, mqtt.MqttError, ClientError, BotoCoreError) as error:
                reason = str(error)
            self._connection = None
            if not self._stopping.is_set():
                self._report("failed", reason)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _report(self, state: str, reason: str) -> None:
        self.status.state, self.status.reason = state, reason
        self._changed()

    def _connect(self) -> mqtt.MqttConnection:
        if self._aws is None:
            raise NotConfigured("the simulation has no access to AWS")
        region = self._settings["region"]
        if "default" not in self._settings:
            raise NotConfigured("only the default deployment is simulated")
        credentials = self._credentials(self._aws, region)
        client = boto3.client(
            "iot", region_name=region, endpoint_url=self._aws.endpoint_url, config=CONFIG,
            aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )  # fmt: skip
        address = (
            self._settings.get("endpoint_address")
            or client.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
        )
        role = mqtt.Credentials(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
        client_id = f"thethings-{self._settings['default']['stack_name']}-{secrets.token_hex(8)}"
        connection = mqtt.connect(self._aws.endpoint_url, address, region, role, client_id, timeout=ACKNOWLEDGED_WITHIN)
        try:
            connection.subscribe(f"{self._base}/downlink/push", lambda message: self._downlink(message.payload, False))
            connection.subscribe(
                f"{self._base}/downlink/replace", lambda message: self._downlink(message.payload, True)
            )
        except mqtt.MqttError:
            connection.close()
            raise
        return connection

    def _credentials(self, aws: AwsAccess, region: str) -> Json:
        role = self._settings.get("assume_role")
        if not role:
            raise NotConfigured("the integration has no role to assume")
        external = {"ExternalId": role["external_id"]} if role.get("external_id") else {}
        lasting = {"DurationSeconds": int(float(role["session_duration"][:-1]))} if "session_duration" in role else {}
        answer = aws.client("sts", region).assume_role(
            RoleArn=role["arn"], RoleSessionName=SESSION_NAME, **external, **lasting
        )
        credentials: Json = answer["Credentials"]
        return credentials

    def _downlink(self, body: bytes, replace: bool) -> None:
        """A message on downlink/push or downlink/replace. Refusals are only kept in the status: MQTT has no answer."""
        self._work.submit(self._queue, body, replace)

    def _queue(self, body: bytes, replace: bool) -> None:
        try:
            problems: list[schema.Problem] = []
            request = schema.read(json.loads(body), DOWNLINKS, "", problems)
            if problems:
                raise ValueError("; ".join(f"{problem.where} {problem.reason}" for problem in problems))
            self._push(request["end_device_ids"]["device_id"], request.get("downlinks", []), replace)
        except (ApiError, ValueError, KeyError) as error:
            self.status.refused_downlinks.append(
                str(error) if not isinstance(error, KeyError) else f"{error} is missing"
            )
