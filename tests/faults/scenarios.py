"""What a stack does, as the rows of the matrix: what was there before, what is delivered, and when it is through.

A scenario calls the hops that a function calls; the matrix finds them by running it without a fault.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from local import inspection
from tests import events
from tests.faults.deployment import APPLICATION, MOST_ATTEMPTS, STACK, Deployment
from thingbridge.aws.things_log import UNIDENTIFIED
from thingbridge.flows.downlink_order import MAY_BE_REPEATED_AFTER

APP_KEY, JOIN_EUI, CLAIMED_JOIN_EUI = "0123456789ABCDEF0123456789ABCDEF", "A81758FFFE000001", "70B3D57ED0000000"
SERVERS = ("identity", "join", "network", "application")
VERSIONS = {"lorawanVersion": "1.0.3", "regionalParametersVersion": "1.0.3-a"}

Delivery = Callable[[], object]


@dataclass(frozen=True)
class Unit:
    """A device of one cell, and its thing."""

    number: int

    @property
    def dev_eui(self) -> str:
        return f"A81758FA{self.number:08X}"

    @property
    def device_id(self) -> str:
        return f"unit-{self.number}"

    @property
    def thing(self) -> str:
        """The name of a thing that a person makes."""
        return f"tank-{self.number}"


@dataclass(frozen=True)
class Scenario:
    """`before` makes what is there already; `deliveries` causes something and returns what brings it to the stack, in
    its order; `missing` says what is not as it must be in the end, "" if nothing is.
    `answered`: whether the sender has learned that it is not carried out. `settings`: other ones of the functions.
    `again`: what a sender does after an answer, the same by default. `hops`: those that fail, a regular expression; the
    others fail in another scenario. `attempts`: of a message, before it is a dead letter. `minute`: what is another a
    minute later.
    """

    name: str
    deliveries: Callable[[Deployment, Unit], Sequence[Delivery]]
    missing: Callable[[Deployment, Unit], str]
    before: Callable[[Deployment, Unit], object] = lambda _deployment, _unit: None
    answered: Callable[[Deployment, Unit], bool] = lambda deployment, unit: _is_logged(deployment, unit)
    settings: Mapping[str, str] = field(default_factory=dict)
    again: Callable[[Deployment, Unit], Sequence[Delivery]] | None = None
    hops: str = ".*"
    attempts: int = MOST_ATTEMPTS
    minute: Callable[[Deployment, Unit], object] = lambda _deployment, _unit: None


# What a test does and looks at --------------------------------------------------------------------------------------


def _message(unit: Unit, kind: str, counter: int = 1, *, late: float = 0.0) -> dict[str, Any]:
    """A message of the device that is received now, those with a lower counter before it."""
    at = datetime.now(UTC) - timedelta(seconds=late + 1 - counter / 10)
    received = {"received_at": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"}
    message = {**events.load(f"things_stack/{kind}"), **received}
    message["end_device_ids"] |= {"device_id": unit.device_id, "dev_eui": unit.dev_eui, "join_eui": JOIN_EUI}
    if "uplink_message" in message:
        message["uplink_message"] |= {"f_cnt": counter, **received}
    if "join_accept" in message:
        message["join_accept"] |= received
    return message


def _to_upstream(deployment: Deployment, unit: Unit, kind: str, counter: int = 1, *, late: float = 0.0) -> Delivery:
    message: dict[str, Any] = {}

    def send() -> None:
        # It is the same one when it is sent twice.
        message.update(message or _message(unit, kind, counter, late=late))
        output = events.rule_output(message, f"thethings/lorawan/{STACK}/{kind}")
        deployment.later.append(("upstream", output, 1))

    return send


def _thing(deployment: Deployment, name: str) -> dict[str, str] | None:
    found = inspection.thing(deployment.aws, name)
    return dict(found.attributes) if found else None


def _published(deployment: Deployment, topic: str, part: str = "") -> bool:
    path = f"/topics/{quote(topic, safe='-_.~')}"
    return any(
        each.hop == "iot-data Publish" and each.path.partition("?")[0] == path and part.encode() in each.body
        for each in deployment.aws_proxy.carried
    )


def _servers(deployment: Deployment, unit: Unit) -> set[str]:
    servers = deployment.simulation.servers
    return {name for name in SERVERS if (APPLICATION, unit.device_id) in getattr(servers, name).devices}


def _is_logged(deployment: Deployment, unit: Unit) -> bool:
    """Whether an error stands where the sender looks: in the log of the thing, or of what has none."""
    group = f"/thethings/lorawan/{STACK}/things"
    return any(
        entry["level"] in ("ERROR", "WARN")
        for name in (unit.thing, unit.dev_eui, UNIDENTIFIED)
        for entry in inspection.log(deployment.aws, group, name)
    )


def _create_thing(deployment: Deployment, unit: Unit, **attributes: str) -> None:
    given = {"stackName": STACK, "devEUI": unit.dev_eui, "deviceID": unit.device_id, "joinEUI": JOIN_EUI, **attributes}
    deployment.aws.client("iot").create_thing(
        thingName=unit.thing, thingTypeName="lorawan", attributePayload={"attributes": given}
    )


def _to_registry(deployment: Deployment, unit: Unit, operation: str) -> Delivery:
    """The event of a thing, as the rule passes it on."""
    event = {
        "operation": operation,
        "thingName": unit.thing,
        "devEUI": unit.dev_eui,
        "deviceID": unit.device_id,
        "stackName": STACK,
    }
    return lambda: deployment.send("registry", json.dumps(event))


def _device(deployment: Deployment, unit: Unit) -> None:
    """A thing with its device, which has joined."""
    _create_thing(deployment, unit, appKey=APP_KEY, **VERSIONS)
    _to_registry(deployment, unit, "CREATED")()
    deployment.deliver()
    assert _servers(deployment, unit) == set(SERVERS)
    deployment.simulation.network.join(APPLICATION, unit.device_id)


# Messages of The Things Stack ---------------------------------------------------------------------------------------


def _uplink_missing(deployment: Deployment, unit: Unit, *kinds: str, counter: int = 1) -> str:
    things = [each for each in (unit.dev_eui, unit.thing) if _thing(deployment, each) is not None]
    if len(things) != 1:
        return f"one thing: {things}"
    if (_thing(deployment, things[0]) or {}).get("devEUI") != unit.dev_eui:
        return "its DevEUI"
    for kind in kinds:
        if not _published(deployment, f"lorawan/{things[0]}/{kind}", unit.device_id):
            return f"the message on lorawan/{things[0]}/{kind}"
    if "uplink" in kinds and inspection.shadow(deployment.aws, things[0]).get("fCntUp") != counter:
        return "the state in the shadow"
    return ""


UPLINK_OF_A_NEW_DEVICE = Scenario(
    "uplink of a new device",
    lambda deployment, unit: [_to_upstream(deployment, unit, "uplink")],
    lambda deployment, unit: _uplink_missing(deployment, unit, "uplink"),
    # On a busy machine it may be a late one.
    hops="(?!iot-data GetThingShadow).*",
)

LATE_UPLINK = Scenario(
    "uplink that comes late",
    lambda deployment, unit: [_to_upstream(deployment, unit, "uplink", late=60)],
    lambda deployment, unit: _uplink_missing(deployment, unit, "uplink"),
    hops="iot-data .*Shadow",
)

JOIN_AND_UPLINKS = Scenario(
    "join and two uplinks",
    lambda deployment, unit: [
        _to_upstream(deployment, unit, "join", 0),
        _to_upstream(deployment, unit, "uplink", 1),
        _to_upstream(deployment, unit, "uplink", 2),
    ],
    lambda deployment, unit: _uplink_missing(deployment, unit, "join", "uplink", counter=2),
    hops="",
)

PACED_SHADOW = Scenario(
    "two uplinks, with a shadow that is paced",
    lambda deployment, unit: [
        _to_upstream(deployment, unit, "uplink", 1),
        _to_upstream(deployment, unit, "uplink", 2),
    ],
    lambda deployment, unit: _uplink_missing(deployment, unit, "uplink", counter=2),
    settings={
        "SHADOW": '{"metrics": true, "min_interval_seconds": 1}',
        "SHADOW_STATES_TABLE": f"{STACK}-shadow-states",
    },
    hops="dynamodb UpdateItem|sqs SendMessage|iot-data UpdateThingShadow",
)


def _post(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    event = events.load("function_url/uplink")
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/{APPLICATION}/uplink"
    message = _message(unit, "uplink")
    message["end_device_ids"]["application_ids"] = {"application_id": APPLICATION}
    event["body"] = json.dumps(message)
    event["headers"]["x-thingbridge-secret"] = "5ec2e7" * 10

    def post() -> None:
        try:
            deployment.answers.append(deployment.invoke("webhook", event)["statusCode"])
        except BaseException as error:
            deployment.answers.append(f"502: {type(error).__name__}")

    return [post]


WEBHOOK = Scenario(
    "uplink that is posted to the webhook",
    _post,
    lambda deployment, unit: (
        ""
        if _published(deployment, f"thethings/lorawan/{STACK}/uplink", unit.device_id)
        else "the message on the stack's own topic"
    ),
    answered=lambda deployment, _unit: str(deployment.answers[-1]).startswith("50"),
)

# Things -------------------------------------------------------------------------------------------------------------


def _four_servers_missing(deployment: Deployment, unit: Unit) -> str:
    return ", ".join(sorted(set(SERVERS) - _servers(deployment, unit)))


def _created(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    if _thing(deployment, unit.thing) is None:
        _create_thing(deployment, unit, appKey=APP_KEY, **VERSIONS)
    return [_to_registry(deployment, unit, "CREATED")]


def _changed(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    deployment.aws.client("iot").update_thing(
        thingName=unit.thing, attributePayload={"attributes": {"frequencyPlanID": "EU_863_870"}, "merge": True}
    )
    return [_to_registry(deployment, unit, "UPDATED")]


def _deleted(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    deployment.aws.client("iot").delete_thing(thingName=unit.thing)
    return [_to_registry(deployment, unit, "DELETED")]


def _created_and_changed(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    return [*_created(deployment, unit), *_changed(deployment, unit)]


def _plan_missing(deployment: Deployment, unit: Unit) -> str:
    if missing := _four_servers_missing(deployment, unit):
        return missing
    device = deployment.simulation.servers.network.devices[APPLICATION, unit.device_id]
    return "" if device.get("frequency_plan_id") == "EU_863_870" else "the frequency plan"


def _claimable(deployment: Deployment, unit: Unit) -> None:
    deployment.simulation.claimable(
        join_eui=CLAIMED_JOIN_EUI, dev_eui=unit.dev_eui, authentication_code="C0DE", app_key=APP_KEY
    )


def _claimed(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    if _thing(deployment, unit.thing) is None:
        _create_thing(deployment, unit, joinEUI=CLAIMED_JOIN_EUI, claimAuthenticationCode="C0DE", **VERSIONS)
    return [_to_registry(deployment, unit, "CREATED")]


def _claim_missing(deployment: Deployment, unit: Unit) -> str:
    return ", ".join(sorted({"identity", "network", "application"} - _servers(deployment, unit)))


def _compared(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    tick = json.dumps({"start": events.just_now()})
    return [lambda: deployment.send("sync.fifo", tick, "sync")]


THING_CREATED = Scenario("thing created", _created, _four_servers_missing)
THING_CREATED_AND_CHANGED = Scenario("thing created, then changed", _created_and_changed, _plan_missing, hops="")
THING_CHANGED = Scenario("thing changed", _changed, _plan_missing, before=_device, hops="(IS|JS|NS|AS) .*")
THING_CLAIMED = Scenario(
    "thing of a device to be claimed created",
    _claimed,
    _claim_missing,
    before=_claimable,
    hops="(IS|DCS|NS|AS) (POST|PUT) .*",
)
THING_DELETED = Scenario(
    "thing deleted",
    _deleted,
    lambda deployment, unit: ", ".join(sorted(_servers(deployment, unit))),
    before=_device,
)


def _not_surveyed(deployment: Deployment, unit: Unit) -> None:
    """A thing without a device, and a directory whose survey is due."""
    _create_thing(deployment, unit, appKey=APP_KEY, **VERSIONS)
    survey = {"device": {"S": "survey"}}
    deployment.aws.client("dynamodb").delete_item(TableName=f"{STACK}-directory", Key=survey)


COMPARISON = Scenario(
    "comparison finds a thing without a device",
    _compared,
    _four_servers_missing,
    before=_not_surveyed,
    # What was refused is not compared again before the thing changes.
    again=lambda deployment, unit: _changed(deployment, unit),
    hops="sqs .*|iot ListThings|iot DescribeEvent.*|dynamodb .*|IS GET /applications/…/devices",
)


def _moved(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    event = {
        "thingName": unit.thing, "at": int(time.time() * 1000), "devEUI": unit.dev_eui, "deviceID": unit.device_id,
    }  # fmt: skip
    return [lambda: deployment.send("directory", json.dumps(event))]


def _directory_missing(deployment: Deployment, unit: Unit) -> str:
    item = deployment.aws.client("dynamodb").get_item(
        TableName=f"{STACK}-directory", Key={"device": {"S": unit.dev_eui}}, ConsistentRead=True
    )
    return "" if item.get("Item", {}).get("thing", {}).get("S") == unit.thing else "the thing in the directory"


DIRECTORY = Scenario(
    "the directory learns of a thing", _moved, _directory_missing,
    before=lambda deployment, unit: _create_thing(deployment, unit),
)  # fmt: skip

# Downlinks ----------------------------------------------------------------------------------------------------------


def _requested(deployment: Deployment, unit: Unit, verb: str, *, ago: float = 0.0) -> Sequence[Delivery]:
    output = events.rule_output(
        json.dumps({"bytes": "Kgc=", "fPort": 15}).encode(), f"lorawan/{unit.thing}/downlink/{verb}"
    )
    keys = {"thing": {"S": unit.thing}, "id": {"S": str(uuid.uuid4())}}
    row = {**keys, "topic": {"S": output["topic"]}, "payload": {"S": output["payload"]}}
    row["receivedAt"] = {"N": str(int((time.time() - ago) * 1000))}

    def store() -> None:
        """What the rule does, and the table's stream."""
        deployment.aws.client("dynamodb").put_item(TableName=f"{STACK}-downlinks", Item=row)
        deployment.stream.append({"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"Keys": keys}})

    return [store]


def _queued_missing(deployment: Deployment, unit: Unit) -> str:
    queued = [each.get("frm_payload") for each in deployment.simulation.network.queue(APPLICATION, unit.device_id)]
    if queued != ["Kgc="]:
        return f"one downlink in the queue of its device: {queued}"
    rows = deployment.aws.client("dynamodb").query(
        TableName=f"{STACK}-downlinks",
        KeyConditionExpression="thing = :thing",
        ExpressionAttributeValues={":thing": {"S": unit.thing}},
    )["Items"]
    return "the end of its row" if rows else ""


def _rejected(deployment: Deployment, unit: Unit) -> bool:
    return _published(deployment, f"lorawan/{unit.thing}/downlink/rejected")


PUSH = Scenario(
    "downlink pushed",
    lambda deployment, unit: _requested(deployment, unit, "push"),
    _queued_missing,
    before=_device,
    answered=_rejected,
    attempts=200,
)
PUSH_THAT_WAITED = Scenario(
    "downlink pushed after ten minutes",
    lambda deployment, unit: _requested(deployment, unit, "push", ago=MAY_BE_REPEATED_AFTER + 1),
    _queued_missing,
    before=_device,
    answered=_rejected,
    hops="AS .*|dynamodb (GetItem|DeleteItem)",
)
REPLACE = Scenario(
    "downlink queue replaced",
    lambda deployment, unit: _requested(deployment, unit, "replace"),
    _queued_missing,
    before=_device,
    answered=_rejected,
    hops="AS .*",
    attempts=200,
)


# Readings -----------------------------------------------------------------------------------------------------------


def _read(deployment: Deployment, unit: Unit) -> Sequence[Delivery]:
    now = int(time.time() * 1000)
    payload = base64.b64encode(json.dumps({"value": 85, "timestamp": now}).encode()).decode()
    event = {"topic": f"{STACK}/sensor/temperature/{unit.thing}", "payload": payload, "aws_timestamp": now}
    return [lambda: deployment.later.append(("telemetry", event, 1))]


def _reading_missing(deployment: Deployment, unit: Unit) -> str:
    if not _published(deployment, f"{STACK}/record/temperature/{unit.thing}"):
        return "its record"
    carried = [each for each in deployment.aws_proxy.carried if each.hop == "sns Publish"]
    return "" if any(unit.thing.encode() in each.body for each in carried) else "the notification"


def _claim_ends(deployment: Deployment, unit: Unit) -> None:
    """A change of level that an invocation has claimed, and not reported within half a minute, is free again."""
    table, key = f"{STACK}-telemetry-states", {"thing": {"S": unit.thing}}
    item = deployment.aws.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    if item is None:
        return
    (name,) = [each for each, value in item.items() if value.get("S", "").startswith("{")]
    row = json.loads(item[name]["S"])
    for change in row["changes"]:
        change["claim"]["at"] -= 60_000
    deployment.aws.client("dynamodb").put_item(TableName=table, Item={**item, name: {"S": json.dumps(row)}})
    # An execution environment remembers the row.
    deployment.start_again()


READING = Scenario(
    "reading of a device with a certificate, above a limit",
    _read,
    _reading_missing,
    before=lambda deployment, unit: deployment.aws.client("iot").create_thing(thingName=unit.thing),
    minute=_claim_ends,
)

SCENARIOS = (
    UPLINK_OF_A_NEW_DEVICE,
    LATE_UPLINK,
    JOIN_AND_UPLINKS,
    PACED_SHADOW,
    WEBHOOK,
    THING_CREATED,
    THING_CREATED_AND_CHANGED,
    THING_CHANGED,
    THING_CLAIMED,
    THING_DELETED,
    COMPARISON,
    DIRECTORY,
    PUSH,
    PUSH_THAT_WAITED,
    REPLACE,
    READING,
)


def forget(deployment: Deployment, unit: Unit) -> None:
    """End what a cell leaves behind, so that the next comparison is as small as this one."""
    iot, servers = deployment.aws.client("iot"), deployment.simulation.servers
    for name in (unit.thing, unit.dev_eui):
        iot.delete_thing(thingName=name)
    for name in SERVERS:
        getattr(servers, name).devices.pop((APPLICATION, unit.device_id), None)
    for each in (deployment.aws_proxy, deployment.things_stack_proxy):
        each.carried.clear()
        each.hops.clear()
    deployment.stream.clear()
    deployment.later.clear()
