"""One stack, applied to a local AWS that records what is billed, and changed from mode to mode; devices that send."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import leftovers
from local.aws import LocalAws, functions
from local.inspection import eventually
from local.metering import UPLINKS, Event, Meter
from local.mqtt import MqttConnection
from local.stack import Stack
from local.things_stack import AwsAccess, ThingsStack, foreign_account_credentials

ACCOUNT = "678672909819"
STACK, APPLICATION, DEVICE, DEV_EUI = "bench", "bench-app", "tank-7", "A81758FFFE0312AB"
THING_TOPIC = f"lorawan/{DEV_EUI}/uplink"
PATIENCE = 60.0
WARM_UP = 20
"""Uplinks until every copy of the function that works at the same time knows the device."""
QUIET_SECONDS = 2.0
"""A stack in which nothing happened for so long has finished."""


@dataclass
class OneStack:
    """The stack, both sides of it, and its meter."""

    aws: LocalAws
    things_stack: ThingsStack
    topics: MqttConnection
    stack: Stack
    meter: Meter

    @classmethod
    @contextlib.contextmanager
    def running(cls, directory: Path) -> Iterator[OneStack]:
        """A local AWS and a simulated The Things Stack with a joined device; `apply` makes the stack."""
        records = directory / "records.jsonl"
        with contextlib.ExitStack() as cleanup:
            aws = cleanup.enter_context(LocalAws(directory / "aws", records=records))
            access: AwsAccess = foreign_account_credentials(aws.endpoint_url, ACCOUNT)
            things_stack = cleanup.enter_context(ThingsStack(port=0, aws=access, profile="hosted"))
            topics = cleanup.enter_context(aws.mqtt("bench"))
            topics.subscribe(THING_TOPIC)
            things_stack.create_application(APPLICATION)
            inputs = {
                "stack_name": STACK,
                "cluster_address": things_stack.url,
                "application_id": APPLICATION,
                "application_api_key": things_stack.create_api_key(APPLICATION),
                "trusted_account_id": ACCOUNT,
                # The processor that is the default on AWS, and its price: the code runs on any.
                "functions": {**functions(), "architecture": "arm64"},
                "registry_sync": {"schedule": "rate(1 days)"},
            }
            stack = Stack(directory / "stack", inputs, environment=aws.environment())
            things_stack.register_device(
                APPLICATION,
                device_id=DEVICE,
                dev_eui=DEV_EUI,
                join_eui="A81758FFFE000001",
                app_key="0123456789ABCDEF0123456789ABCDEF",
            )
            yield cls(aws, things_stack, topics, stack, Meter(records, STACK, UPLINKS))

    def apply(self, choices: Mapping[str, Any]) -> None:
        """Apply these inputs; the first time, the device joins afterwards."""
        first = not self.stack.inputs.keys() & choices.keys()
        self.stack.inputs.update(choices)
        if first:
            leftovers.apply(self.stack, self.aws)
        else:
            self.stack.apply()
        server = self.things_stack.servers.application
        records = [*server.pubsubs, *server.webhooks, *server.associations]
        ((_, integration_id),) = [at for at in records if at[0] == APPLICATION]
        self.things_stack.integrations.wait(APPLICATION, integration_id, until="connected", timeout=PATIENCE)
        if first:
            self.things_stack.network.join(APPLICATION, DEVICE)

    def send(self, uplinks: int, pause: float) -> list[Event]:
        """Send uplinks, one after the other; returns what they caused. Raises MqttError if one does not arrive."""
        for _ in range(WARM_UP):
            self._send_one()
        eventually("the end of the uplinks before", lambda: self.meter.is_quiet(QUIET_SECONDS), PATIENCE)
        mark = self.meter.mark()
        for _ in range(uplinks):
            began = time.monotonic()
            self._send_one()
            time.sleep(max(0.0, pause - (time.monotonic() - began)))
        eventually("the end of these uplinks", lambda: self.meter.is_quiet(QUIET_SECONDS, mark), PATIENCE)
        return self.meter.since(mark)

    def _send_one(self) -> None:
        seen = len(self.topics.messages())
        self.things_stack.network.uplink(APPLICATION, DEVICE, f_port=2, frm_payload=b"\1\2\3", gateways=3)
        self.topics.wait_for(THING_TOPIC, after=seen, timeout=PATIENCE)
