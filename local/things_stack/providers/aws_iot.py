"""The pub/sub provider `aws_iot`: assumes the customer's role and connects to AWS IoT Core by MQTT over WebSocket.

It uses only the settings of the pub/sub (region, role, external id, stack name) and the Stack's own credentials. What
the role or its policy denies fails here as it does for The Things Stack: nothing arrives, and `status.reason` says why.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import boto3

from local import mqtt
from local.things_stack.description.proto3_json import Json
from local.things_stack.network.application_up import Published
from local.things_stack.providers.aws_access import CONFIG, AwsAccess
from local.things_stack.providers.kept_connection import ACKNOWLEDGED_WITHIN, KeptConnection, NotConfigured
from local.things_stack.providers.status import Status

SESSION_NAME = "things-stack"


class AwsIotProvider(KeptConnection):
    """One pub/sub integration with AWS IoT Core, or one association of the package `aws-iot`."""

    def __init__(
        self,
        settings: Json,
        aws: AwsAccess | None,
        status: Status,
        push: Callable[[str, list[Json], bool], None],
        changed: Callable[[], None],
    ) -> None:
        self._settings, self._aws = settings, aws
        self._base = f"thethings/lorawan/{settings.get('default', {}).get('stack_name', '')}"
        super().__init__(f"aws-iot {self._base}", status, push, changed)

    def _topic(self, published: Published) -> str:
        return f"{self._base}/{published.topic}"

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
        self._subscribe(connection, {f"{self._base}/downlink/push": False, f"{self._base}/downlink/replace": True})
        return connection

    def _credentials(self, aws: AwsAccess, region: str) -> Json:
        role = self._settings.get("assume_role")
        if not role:
            raise NotConfigured("the integration needs a role to assume")
        external = {"ExternalId": role["external_id"]} if role.get("external_id") else {}
        lasting = {"DurationSeconds": int(float(role["session_duration"][:-1]))} if "session_duration" in role else {}
        answer = aws.client("sts", region).assume_role(
            RoleArn=role["arn"], RoleSessionName=SESSION_NAME, **external, **lasting
        )
        credentials: Json = answer["Credentials"]
        return credentials
