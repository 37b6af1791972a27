"""What there is to see in a local environment: things, shadows, log streams, queues, devices. Reading only.

AWS is read through the product's own adapters, as the command line reads it; for The Things Stack, the simulation
lists what its servers hold.
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
from thingbridge.aws.queues import Queue
from thingbridge.aws.shadows import Shadows
from thingbridge.aws.things import Thing, Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.shadow.state import SHADOW_NAME

Seen = TypeVar("Seen")
SERVERS = ("identity", "join", "network", "application")


class NotSeen(Exception):
    """What was waited for did not appear in time."""


def eventually(what: str, look: Callable[[], Seen], timeout: float = 20.0) -> Seen:
    """What `look` returns once that is true. Raises NotSeen, naming what was expected, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (seen := look()):
        if time.monotonic() >= deadline:
            raise NotSeen(f"not seen within {timeout:g} s: {what}")
        time.sleep(0.05)
    return seen


def things(aws: LocalAws, stack_name: str = STACK_NAME) -> list[Thing]:
    """The things of a stack, by name."""
    return sorted(Things(aws.clients).of_stack(stack_name), key=lambda thing: thing.name)


def thing(aws: LocalAws, name: str) -> Thing | None:
    """The thing of that name, None if there is none."""
    return Things(aws.clients).describe(name)


def shadow(aws: LocalAws, name: str) -> dict[str, Any]:
    """What a thing's named shadow `lorawan` reports; empty if there is no shadow."""
    return Shadows(aws.clients, SHADOW_NAME).reported(name)


def log(aws: LocalAws, group: str, thing_name: str) -> list[dict[str, Any]]:
    """The entries of a thing's log stream, oldest first: `{"at": milliseconds, "level", "event", …}`."""
    return ThingsLog(aws.clients, group).entries(thing_name)


def queues(aws: LocalAws, urls: dict[str, str | None]) -> dict[str, int]:
    """How many messages wait in each queue that the stack has, those in flight included."""
    return {name: Queue(aws.clients, url).waiting() for name, url in urls.items() if url}


def as_json(thing: Thing) -> dict[str, Any]:
    """A thing as a JSON object."""
    return {"thingName": thing.name, "thingTypeName": thing.type_name, "attributes": thing.attributes}


def devices(environment: Environment) -> dict[str, list[str]]:
    """The end devices of the application, each with the servers of The Things Stack that have it."""
    servers = environment.things_stack.servers
    found: dict[str, list[str]] = {}
    for server in SERVERS:
        for key in servers[server]["devices"]:
            application, _, device = key.partition("/")
            if application == APPLICATION:
                found.setdefault(device, []).append(server)
    return dict(sorted(found.items()))


def status(environment: Environment) -> dict[str, Any]:
    """Everything that `make status` shows, as JSON values, without what does not run."""
    aws, own = environment.aws, environment.aws.process
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
            *_things_stack(environment),
        ],
        "outputs": {},
    }
    if not environment.alive:
        return answer
    if environment.own:
        answer["integrations"] = environment.own.integration(STACK_NAME, aws.region)
    else:
        answer["integrations"] = environment.things_stack.integrations.all()
        answer["devices"] = devices(environment)
    answer["things"] = [as_json(each) for each in things(aws)]
    try:
        answer["outputs"] = environment.stack.output()
    except TerraformError as error:
        answer["error"] = str(error)
    answer["queues"] = queues(aws, answer["outputs"].get("queue_urls", {}))
    return answer


def _things_stack(environment: Environment) -> list[dict[str, Any]]:
    """The Things Stack as `status` shows it, and the way in for the webhooks of one's own."""
    own, gate, process = environment.own, environment.gate, environment.things_stack_process
    things_stack = {
        "name": "The Things Stack (your own)" if own else "The Things Stack (simulated)",
        "running": own.answers if own else bool(process and process.alive),
        "pid": process.pid if process else None,
        "address": environment.things_stack_url,
        "log": process.log if process else None,
    }
    if not (own and gate):
        return [things_stack]
    way_in = {"name": "Way in for webhooks", "running": gate.alive, "pid": gate.pid,
              "address": f"http://127.0.0.1:{own.port}", "log": gate.log}  # fmt: skip
    return [things_stack, way_in]


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


def summary(body: Any) -> str:
    """A message as `readable` returns it, in a few words: what a device sent or receives, or why a request failed."""
    if not isinstance(body, dict):
        return json.dumps(body) if isinstance(body, list) else str(body)
    kind = next((name for name in body if name in _KINDS or name.startswith("downlink_")), "")
    found = body[kind] if isinstance(body.get(kind), dict) else body
    if kind == "downlink_failed":
        return _error(found.get("error"))
    if kind == "join_accept":
        ids = body.get("end_device_ids")
        found = {**found, "dev_addr": ids.get("dev_addr") if isinstance(ids, dict) else None}
    elif kind == "uplink_message" and found is not body:
        found = {"f_cnt": 0, **found}  # as any value that is zero, TTS leaves the counter 0 out
    parts = [f"{label} {found[name]}" for name, label in _SHOWN if found.get(name) not in (None, "")]
    if found.get("frm_payload"):
        parts.append(payload_hex(found["frm_payload"]))
    if found.get("decoded_payload"):
        parts.append(json.dumps(found["decoded_payload"]))
    return " · ".join(parts) or json.dumps(body)


def _error(error: Any) -> str:
    """What TTS says about a downlink that failed."""
    if not isinstance(error, dict):
        return "failed"
    return str(error.get("message_format") or error.get("name") or "failed")


_KINDS = frozenset({"uplink_message", "join_accept", "location_solved", "service_data"})
_SHOWN = (("field", "field"), ("reason", "reason"), ("dev_addr", "DevAddr"),
          ("f_port", "FPort"), ("f_cnt", "counter"))  # fmt: skip
"""Fields of a message that a line shows, with their labels."""


def payload_hex(frm_payload: str | None) -> str:
    """`frm_payload` (base64) as upper-case hex with spaces; "–" if there is none."""
    return base64.b64decode(frm_payload).hex(" ").upper() if frm_payload else "–"
