"""Named shadows."""

from __future__ import annotations

import json
from typing import Any

from local.emulator.probes.account import Account
from local.emulator.probes.probe import Probe, expect, refused

SHADOW = "lorawan"


def new_thing(account: Account) -> str:
    name = account.name()
    account.client("iot").create_thing(thingName=name)
    return name


def update(account: Account, thing: str, **document: Any) -> dict[str, Any]:
    answer = account.client("iot-data").update_thing_shadow(
        thingName=thing, shadowName=SHADOW, payload=json.dumps(document)
    )
    return dict(json.loads(answer["payload"].read()))


def merged_state(account: Account) -> None:
    thing = new_thing(account)
    update(account, thing, state={"reported": {"a": 1, "b": {"c": 2, "d": 3}}})
    update(account, thing, state={"reported": {"a": None, "b": {"c": 4}}})
    answer = account.client("iot-data").get_thing_shadow(thingName=thing, shadowName=SHADOW)
    reported = json.loads(answer["payload"].read())["state"]["reported"]
    expect(reported == {"b": {"c": 4, "d": 3}}, reported)


def delta(account: Account) -> None:
    thing, topic = new_thing(account), "$aws/things/{}/shadow/name/lorawan/update/delta"
    with account.aws.mqtt(account.name()) as connection:
        connection.subscribe(topic.format(thing))
        update(account, thing, state={"desired": {"decodedPayload": {"on": True}}})
        message = connection.wait_for(topic.format(thing)).json()
    expect(message["state"] == {"decodedPayload": {"on": True}}, message)
    expect(message["version"] == 1, message)


def version_conflict(account: Account) -> None:
    thing = new_thing(account)
    version = update(account, thing, state={"reported": {"a": 1}})["version"]
    update(account, thing, state={"reported": {"a": 2}}, version=version)
    refused(lambda: update(account, thing, state={"reported": {"a": 3}}, version=version), "ConflictException")


PROBES = (
    Probe("A named shadow merges what is reported, and null removes a key", merged_state),
    Probe("A desired state that differs is published on the shadow's delta topic", delta),
    Probe("UpdateThingShadow refuses a version that is not the current one", version_conflict),
)
