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
from urllib.parse import quote, urlsplit

import boto3
import paho.mqtt.client as mqtt
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from paho.mqtt.enums import CallbackAPIVersion

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


class Refused(Exception):
    """A step towards the broker failed; the text says which and why."""


def signed_path(address: str, region: str, access_key_id: str, secret_access_key: str, session_token: str) -> str:
    """Path and query of the WebSocket upgrade, signed with SigV4 for service iotdevicegateway. The session token is no
    part of what is signed but appended afterwards (AWS IoT's own rule)."""
    request = AWSRequest("GET", f"wss://{address}/mqtt")
    SigV4QueryAuth(Credentials(access_key_id, secret_access_key), "iotdevicegateway", region, expires=300).add_auth(
        request
    )
    return f"/mqtt?{urlsplit(str(request.url)).query}&X-Amz-Security-Token={quote(session_token, safe='')}"


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
        self._connection: Connection | None = None
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
        connection = self._connection
        return connection is not None and connection.publish(f"{self._base}/{published.topic}", published.body)

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
                connection.lost.wait()
                connection.close()
                reason = connection.reason
            except (Refused, ClientError, BotoCoreError) as error:
                reason = str(error)
            self._connection = None
            if not self._stopping.is_set():
                self._report("failed", reason)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _report(self, state: str, reason: str) -> None:
        self.status.state, self.status.reason = state, reason
        self._changed()

    def _connect(self) -> Connection:
        if self._aws is None:
            raise Refused("the simulation has no access to AWS")
        region = self._settings["region"]
        if "default" not in self._settings:
            raise Refused("only the default deployment is simulated")
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
        path = signed_path(
            address, region, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]
        )
        stack = self._settings["default"]["stack_name"]
        connection = Connection(
            f"thethings-{stack}-{secrets.token_hex(8)}", self._aws.endpoint_url or f"https://{address}", address, path
        )
        try:
            connection.open()
            connection.subscribe(f"{self._base}/downlink/push", lambda body: self._downlink(body, False))
            connection.subscribe(f"{self._base}/downlink/replace", lambda body: self._downlink(body, True))
        except Refused:
            connection.close()
            raise
        return connection

    def _credentials(self, aws: AwsAccess, region: str) -> Json:
        role = self._settings.get("assume_role")
        if not role:
            raise Refused("the integration has no role to assume")
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


class Connection:
    """One MQTT session: opened once, and when `lost` is set over for good, `reason` saying how it ended."""

    def __init__(self, client_id: str, url: str, host_header: str, path: str) -> None:
        self.lost = threading.Event()
        self.reason = ""
        self._doing = f"connecting as {client_id}"
        self._closing = threading.Lock()
        self._acknowledged: set[tuple[str, int]] = set()
        self._news = threading.Condition()
        target = urlsplit(url)
        self._host = target.hostname or ""
        self._port = target.port or (443 if target.scheme == "https" else 80)
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, transport="websockets", reconnect_on_failure=False
        )
        self._client.ws_set_options(path, {"Host": host_header})
        if target.scheme == "https":
            self._client.tls_set()
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self._end(f"the broker closed the connection while {self._doing}")
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = lambda _client, _data, mid, *_: self._note("publish", mid)

    def open(self) -> None:
        """Connects; Refused when the broker can't be reached or refuses."""
        try:
            self._client.connect(self._host, self._port, keepalive=60)
        except (OSError, mqtt.WebsocketConnectionError) as error:
            raise Refused(f"connecting to {self._host}:{self._port}/mqtt failed: {error}") from error
        self._client.loop_start()
        self._await("connect", 0)
        self._doing = "idle"

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> None:
        self._doing = f"subscribing to {topic}"
        self._client.message_callback_add(topic, lambda _client, _data, message: receive(bytes(message.payload)))
        _, mid = self._client.subscribe(topic, qos=1)
        self._await("subscribe", mid or 0)
        self._doing = "idle"

    def publish(self, topic: str, body: bytes) -> bool:
        """Publishes with QoS 1; True once the broker has acknowledged it."""
        if self.lost.is_set():
            return False
        self._doing = f"publishing on {topic}"
        try:
            self._await("publish", self._client.publish(topic, body, qos=1).mid)
        except (Refused, ValueError):
            return False
        self._doing = "idle"
        return True

    def close(self) -> None:
        """Repeatable."""
        with self._closing:
            self._client.disconnect()
            self._client.loop_stop()
        self._end("closed")

    def _on_connect(self, _client: object, _data: object, _flags: object, code: Any, _properties: object) -> None:
        if code.is_failure:
            self._end(f"the broker refused the connection: {code}")
        else:
            self._note("connect", 0)

    def _on_subscribe(self, _client: object, _data: object, mid: int, codes: Any, _properties: object) -> None:
        if any(code.is_failure for code in codes):
            self._end(f"the broker refused {self._doing}")
        else:
            self._note("subscribe", mid)

    def _note(self, what: str, mid: int) -> None:
        with self._news:
            self._acknowledged.add((what, mid))
            self._news.notify_all()

    def _end(self, reason: str) -> None:
        with self._news:
            self.reason = self.reason or reason
            self.lost.set()
            self._news.notify_all()

    def _await(self, what: str, mid: int) -> None:
        with self._news:
            self._news.wait_for(lambda: (what, mid) in self._acknowledged or self.lost.is_set(), ACKNOWLEDGED_WITHIN)
            if (what, mid) in self._acknowledged:
                self._acknowledged.discard((what, mid))
                return
        raise Refused(self.reason or f"the broker did not answer within {ACKNOWLEDGED_WITHIN:g} s while {self._doing}")
