"""What `uplink_mode = "rules"` does with messages: the statements and topics that Terraform plans, evaluated.

The local AWS substitutes nothing in the topic of a republish action, so they can't be applied there. That the plan has
these statements is asserted in tests/terraform/capabilities.tftest.hcl; tests/iot_sql.py evaluates them.
"""

import base64
import fnmatch
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import events, hostile, iot_sql, malformed
from tests.documents import ROOT
from tests.iot_sql import Message
from thingbridge.messaging import rule_payload, topics, upstream
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.registry import identity
from thingbridge.registry.identity import ThingNameScheme
from thingbridge.shadow import state
from thingbridge.shadow.state import SHADOW_NAME, ShadowSettings

STACK = "farm"
RULES: dict[str, dict[str, dict[str, str]]] = json.loads((ROOT / "tests/terraform/uplink_rules.json").read_text())
SHADOW = ShadowSettings(radio=False)
"""What the mode needs: a rule can't compare the receptions of an uplink."""

SCHEMES = pytest.mark.parametrize("scheme", list(ThingNameScheme))
UPLINK = events.load("things_stack/uplink")
OTHERS = sorted(path.stem for path in (events.FOLDER / "things_stack").iterdir() if not path.stem.startswith("uplink"))


@dataclass
class Outcome:
    """Where the rules publish a message, and what; and what they invoke the function with."""

    published: dict[str, Any]
    invoked_with: list[dict[str, Any]]


def passed_on(scheme: str, event: str, published: Mapping[str, Any] | bytes) -> Outcome:
    """Let the rules of a stack read a message, and what they publish themselves."""
    body = published if isinstance(published, bytes) else json.dumps(published).encode()
    waiting, outcome = [Message(topics.upstream(STACK, event), body)], Outcome({}, [])
    while waiting:
        message = waiting.pop()
        for rule in RULES[scheme].values():
            if not iot_sql.selects(rule["sql"], message.topic):
                continue
            returned = iot_sql.run(rule["sql"], message)
            if returned is None:
                continue
            if rule["topic"] is None:
                outcome.invoked_with.append(returned)
                continue
            topic = iot_sql.substituted(rule["topic"], message)
            outcome.published[topic] = returned
            waiting.append(Message(topic, json.dumps(returned).encode()))
    return outcome


def thing_name(scheme: ThingNameScheme, message: UpstreamMessage) -> str:
    return identity.thing_name(message.device, scheme, STACK)


def by_the_function(event: str, body: Mapping[str, Any]) -> UpstreamMessage:
    """The message as the function reads it in the other modes."""
    return upstream.parse(events.rule_output(body, topics.upstream(STACK, event)), STACK)


@SCHEMES
@pytest.mark.parametrize("name", ["uplink", "uplink_decoded"])
def test_an_uplink_of_a_known_device_is_published_and_reported_as_by_the_function(
    scheme: ThingNameScheme, name: str
) -> None:
    body = events.load(f"things_stack/{name}")
    message = by_the_function("uplink", body)
    thing = thing_name(scheme, message)
    outcome = passed_on(scheme, "uplink", body)
    reported = state.reported(body, SHADOW).fields
    assert set(reported) == {"devAddr", "fCntUp", "lastSeen", "sessionID"}
    assert outcome.published == {
        topics.public(thing, "uplink"): body,
        f"$aws/things/{thing}/shadow/name/{SHADOW_NAME}/update": {"state": {"reported": reported}},
    }
    assert outcome.invoked_with == []


def test_a_time_of_reception_that_only_the_message_has_is_reported() -> None:
    part = {name: value for name, value in UPLINK["uplink_message"].items() if name != "received_at"}
    body = {**UPLINK, "received_at": "2026-01-02T03:04:05.678Z", "uplink_message": part}
    ((_, shadow),) = [each for each in passed_on("DevEUI", "uplink", body).published.items() if each[0][0] == "$"]
    assert shadow == {"state": {"reported": state.reported(body, SHADOW).fields}}


def left_to_the_function(scheme: str, event: str, body: Mapping[str, Any]) -> None:
    outcome = passed_on(scheme, event, body)
    (given,) = outcome.invoked_with
    assert given["topic"] == topics.upstream(STACK, event)
    assert rule_payload.json_object(base64.b64decode(given["payload"])) == body
    assert [topic for topic in outcome.published if topic.startswith(("lorawan/", "$aws/"))] == []


@SCHEMES
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_kind_of_message_is_left_to_the_function(scheme: ThingNameScheme, name: str) -> None:
    body = events.load(f"things_stack/{name}")
    (kind,) = body.keys() & topics.UPSTREAM_EVENTS.keys()
    left_to_the_function(scheme, topics.UPSTREAM_EVENTS[kind], body)


@SCHEMES
@pytest.mark.parametrize("event", ["uplink/more", "uplinks", "some/thing/new", "function/uplink"])
def test_a_kind_that_is_not_known_is_left_to_the_function(scheme: ThingNameScheme, event: str) -> None:
    left_to_the_function(scheme, event, UPLINK)


@SCHEMES
@pytest.mark.parametrize(
    "body",
    [events.load("things_stack/uplink_first_of_session"), {**UPLINK, "simulated": True}],
    ids=["first of its session", "simulated"],
)
def test_an_uplink_that_makes_a_thing_or_comes_from_no_device_is_left_to_the_function(
    scheme: ThingNameScheme, body: dict[str, Any]
) -> None:
    left_to_the_function(scheme, "uplink", body)


@SCHEMES
@pytest.mark.parametrize(
    "ids",
    [{}, None, [], "tank-7", {"dev_addr": "260B1C2D"}, {"dev_eui": None, "device_id": None}],
    ids=["empty", "null", "a list", "text", "an address alone", "nulls"],
)
def test_an_uplink_that_does_not_name_its_thing_is_left_to_the_function(scheme: ThingNameScheme, ids: Any) -> None:
    left_to_the_function(scheme, "uplink", {**UPLINK, "end_device_ids": ids})


def test_a_device_without_a_dev_eui_is_left_to_the_function_where_things_are_named_by_it() -> None:
    ids = {name: value for name, value in UPLINK["end_device_ids"].items() if name != "dev_eui"}
    left_to_the_function("DevEUI", "uplink", {**UPLINK, "end_device_ids": ids})
    assert passed_on("DeviceID", "uplink", {**UPLINK, "end_device_ids": ids}).invoked_with == []


@given(
    message=st.sampled_from(sorted(malformed.messages())),
    missing=st.sets(st.sampled_from(["end_device_ids", "uplink_message", "simulated", "received_at"])),
)
def test_each_message_goes_one_of_both_ways(message: str, missing: set[str]) -> None:
    found = malformed.messages()[message]
    body = {name: value for name, value in found.body.items() if name not in missing}
    for scheme in ThingNameScheme:
        outcome = passed_on(scheme, found.event, body)
        public = [topic for topic in outcome.published if topic.startswith("lorawan/")]
        assert len(public) + len(outcome.invoked_with) == 1
        shadows = [topic for topic in outcome.published if topic.startswith("$aws/")]
        assert len(shadows) == len(public)


def rights(scheme: ThingNameScheme) -> list[str]:
    """The topics that the rules may publish on, as patterns of IAM."""
    text = (ROOT / "modules/upstream/rules.tf").read_text(encoding="utf-8")
    (names,) = re.findall(r'^  thing_names = .*\? "([?]+)" : "\$\{var.stack.name\}_\*"$', text, re.MULTILINE)
    given = {"${local.thing_names}": names if scheme is ThingNameScheme.DEV_EUI else f"{STACK}_*"}
    given["${local.function_topic}"] = f"thethings/lorawan/{STACK}_function"
    found = [
        topic for listed in re.findall(r"^    topics = \[(.*)\]$", text, re.MULTILINE) for topic in listed.split(", ")
    ]
    assert len(found) == 3
    return [reduce(lambda topic, name: topic.replace(name, given[name]), given, each.strip('"')) for each in found]


@SCHEMES
def test_a_hostile_id_is_published_on_no_name_that_the_stack_can_not_give(scheme: ThingNameScheme) -> None:
    """A rule can't check what it puts into a topic; whoever may publish for the stack chooses it."""
    permitted, forged = rights(scheme), 0
    for text in hostile.TEXTS:
        body = {**UPLINK, "end_device_ids": {"device_id": text, "dev_eui": text}}
        for topic in passed_on(scheme, "uplink", json.loads(json.dumps(body))).published:
            if any(fnmatch.fnmatchcase(topic, pattern) for pattern in permitted):
                name = topic.removeprefix("lorawan/").removeprefix("$aws/things/")
                assert name.startswith(f"{STACK}_") or name[16:] in ("/uplink", "/shadow/name/lorawan/update"), topic
            else:
                forged += 1
    assert forged > 10 or scheme is not ThingNameScheme.DEV_EUI
    own = passed_on(scheme, "uplink", UPLINK).published
    assert all(any(fnmatch.fnmatchcase(topic, pattern) for pattern in permitted) for topic in own), own
    assert not any(fnmatch.fnmatchcase("lorawan/orchard_tank/uplink", pattern) for pattern in permitted)


def test_the_topics_keep_the_limit_of_slashes() -> None:
    outcome = passed_on("DevEUI", "uplink", UPLINK)
    assert max(topic.count("/") for topic in outcome.published) <= 7
