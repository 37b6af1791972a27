"""What there is to see in a local environment: things, shadows, log streams, queues, devices. Reading only.

Everything is read the way a user of AWS reads it; of The Things Stack, the simulation says what its servers hold.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from local.aws import LocalAws
from local.environment import APPLICATION, STACK_NAME, Environment
from local.stack import TerraformError

Seen = TypeVar("Seen")
SERVERS = ("identity", "join", "network", "application")
SHADOW = "lorawan"


class NotSeen(Exception):
    """What was waited for did not come within its time."""


def eventually(what: str, look: Callable[[], Seen], timeout: float = 20.0) -> Seen:
    """Look until something (a true value) is seen; NotSeen, naming it, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (seen := look()):
        if time.monotonic() >= deadline:
            raise NotSeen(f"not seen within {timeout:g} s: {what}")
        time.sleep(0.05)
    return seen


def things(aws: LocalAws, stack_name: str = STACK_NAME) -> list[dict[str, Any]]:
    """The things of a stack, each as `{"thingName", "attributes", …}`, by name."""
    found: list[dict[str, Any]] = []
    for page in (
        aws.client("iot").get_paginator("list_things").paginate(attributeName="stackName", attributeValue=stack_name)
    ):
        found += page["things"]
    return sorted(found, key=lambda thing: str(thing["thingName"]))


def thing(aws: LocalAws, name: str) -> dict[str, Any] | None:
    """One thing, as DescribeThing tells it; None when there is none of this name."""
    iot = aws.client("iot")
    try:
        return dict(iot.describe_thing(thingName=name))
    except iot.exceptions.ResourceNotFoundException:
        return None


def shadow(aws: LocalAws, name: str) -> dict[str, Any]:
    """What a thing's named shadow `lorawan` reports; empty when there is none."""
    data = aws.client("iot-data")
    try:
        document = data.get_thing_shadow(thingName=name, shadowName=SHADOW)["payload"].read()
    except data.exceptions.ResourceNotFoundException:
        return {}
    return dict(json.loads(document)["state"].get("reported", {}))


def log(aws: LocalAws, group: str, stream: str) -> list[dict[str, Any]]:
    """The entries of one stream of the log of things, oldest first."""
    logs = aws.client("logs")
    try:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [_entry(event["message"]) for event in events]


def log_streams(aws: LocalAws, group: str) -> list[str]:
    """The names of the streams of the log of things."""
    logs = aws.client("logs")
    try:
        answer = logs.describe_log_streams(logGroupName=group)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return sorted(str(stream["logStreamName"]) for stream in answer["logStreams"])


def queues(aws: LocalAws, urls: dict[str, str | None]) -> dict[str, int]:
    """How many messages wait in each queue that the stack has."""
    waiting = {}
    for name, url in urls.items():
        if url is None:
            continue
        wanted = ["ApproximateNumberOfMessages"]
        answer = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=wanted)
        waiting[name] = int(answer["Attributes"][wanted[0]])
    return waiting


def devices(environment: Environment) -> dict[str, list[str]]:
    """The end devices of the application, each with the servers of The Things Stack that know it."""
    servers = environment.things_stack.servers
    found: dict[str, list[str]] = {}
    for server in SERVERS:
        for key in servers[server]["devices"]:
            application, _, device = key.partition("/")
            if application == APPLICATION:
                found.setdefault(device, []).append(server)
    return dict(sorted(found.items()))


def status(environment: Environment) -> dict[str, Any]:
    """Everything `make status` shows, as JSON values. What does not run is left out."""
    aws, tts = environment.aws, environment.things_stack_process
    own = aws.process
    answer: dict[str, Any] = {
        "directory": str(environment.directory),
        "processes": [
            {
                "name": "AWS (ministack)" if own else "AWS (not started here)",
                "running": own.alive if own else aws.answers,
                "pid": own.pid if own else None,
                "address": aws.endpoint_url,
                "log": own.log if own else None,
            },
            {
                "name": "The Things Stack (simulated)",
                "running": tts.alive,
                "pid": tts.pid,
                "address": environment.things_stack_url,
                "log": tts.log,
            },
        ],
        "outputs": {},
    }
    if not environment.alive:
        return answer
    answer["integrations"] = environment.things_stack.integrations.all()
    answer["devices"] = devices(environment)
    answer["things"] = things(aws)
    try:
        answer["outputs"] = environment.stack.output()
    except TerraformError as error:
        answer["error"] = str(error)
    answer["queues"] = queues(aws, answer["outputs"].get("queue_urls", {}))
    return answer


def readable(payload: bytes) -> Any:
    """A message's payload for a person: JSON as its value, text as text, anything else as hex."""
    try:
        return json.loads(payload)
    except ValueError:
        pass
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload.hex()


def payload_hex(frm_payload: str | None) -> str:
    """`frm_payload` (base64) as upper-case hex with spaces; "–" without one."""
    return base64.b64decode(frm_payload).hex(" ").upper() if frm_payload else "–"


def _entry(message: str) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"message": message}
