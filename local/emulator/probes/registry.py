"""The thing registry: types, searching by attribute, and the events of changes."""

from __future__ import annotations

import json
from typing import Any

from local.emulator.probes.account import Account
from local.emulator.probes.probe import Probe, eventually, expect, refused


def thing_of_type(account: Account, thing_type: str, **attributes: str) -> str:
    name = account.name()
    account.client("iot").create_thing(
        thingName=name, thingTypeName=thing_type, attributePayload={"attributes": attributes}
    )
    return name


def thing_type(account: Account) -> str:
    name = account.name("type")
    properties = {"searchableAttributes": ["devEUI", "stackName", "deviceID"]}
    account.client("iot").create_thing_type(thingTypeName=name, thingTypeProperties=properties)
    return name


def things_by_attribute(account: Account) -> None:
    type_name, stack = thing_type(account), account.name("stack")
    names = {thing_of_type(account, type_name, stackName=stack) for _ in range(3)}
    thing_of_type(account, type_name, stackName="another")
    pages = account.client("iot").get_paginator("list_things")
    chosen = {"attributeName": "stackName", "attributeValue": stack, "thingTypeName": type_name}
    found = [thing for page in pages.paginate(**chosen, maxResults=2) for thing in page["things"]]
    expect({thing["thingName"] for thing in found} == names, found)
    expect(all(thing["attributes"] == {"stackName": stack} for thing in found), found)


def thing_that_exists(account: Account) -> None:
    type_name = thing_type(account)
    name = thing_of_type(account, type_name, devEUI="1")
    again = {"thingName": name, "thingTypeName": type_name, "attributePayload": {"attributes": {"devEUI": "2"}}}
    refused(lambda: account.client("iot").create_thing(**again), "ResourceAlreadyExistsException")
    refused(lambda: account.client("iot").describe_thing(thingName="not-there"), "ResourceNotFoundException")


def registry_events(account: Account) -> None:
    iot, queue = account.client("iot"), account.queue()
    iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": True}})
    type_name, stack = thing_type(account), account.name("stack")
    where = f"thingTypeName = '{type_name}' AND attributes.stackName = '{stack}'"
    account.rule(f"SELECT * FROM '$aws/events/thing/+/+' WHERE {where}", account.to_queue(queue))
    thing_of_type(account, type_name, stackName="another")
    name = thing_of_type(account, type_name, stackName=stack)
    iot.update_thing(thingName=name, attributePayload={"attributes": {"devEUI": "1"}, "merge": True})
    iot.delete_thing(thingName=name)

    seen: list[Any] = []

    def all_seen() -> bool:
        seen.extend(json.loads(body) for body in account.received(queue, wait=1))
        return len(seen) >= 3

    eventually("three events", all_seen)
    expect({event["operation"] for event in seen} == {"CREATED", "UPDATED", "DELETED"}, seen)
    expect({event["thingName"] for event in seen} == {name}, seen)


PROBES = (
    Probe("ListThings finds the things of a type by an attribute, page by page", things_by_attribute),
    Probe("CreateThing refuses a name that has other attributes; DescribeThing one that is unknown", thing_that_exists),
    Probe("Created, updated and deleted things are events that a rule selects by type and attribute", registry_events),
)
