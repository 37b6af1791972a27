"""Topics and attributes that are written both in HCL and in Python, compared: read from the files of the modules.

Terraform is not run here; the SQL of the rules in a plan is in test_plan_inventories.py.
"""

import json
import re
from pathlib import Path

from thingbridge.aws.stacks import RULE_SUFFIX
from thingbridge.devices import rotation
from thingbridge.devices import topics as devices
from thingbridge.devices.topics import Source
from thingbridge.flows.unowned_requests import ELECTION_SHADOW, ELECTION_THING
from thingbridge.messaging import rule_payload, topics
from thingbridge.registry.events import SELECTED
from thingbridge.shadow import delta
from thingbridge.shadow.state import DECODED_PAYLOAD

MODULES = Path(__file__).resolve().parents[2] / "modules"
TOPIC = re.compile(r' (\w+) += "((?:thethings/|\$aws/[^"]*/)?lorawan/[^"]+)"')


def written(file: str) -> dict[str, str]:
    """Name -> topic or topic filter that a file of a module assigns to it."""
    return dict(TOPIC.findall((MODULES / file).read_text()))


def test_the_things_stack_publishes_below_one_topic() -> None:
    assert written("things_stack/main.tf") == {"base_topic": topics.upstream("${var.stack_name}", "").rstrip("/")}


def test_every_kind_of_message_has_its_public_topic_in_the_outputs() -> None:
    events = topics.UPSTREAM_EVENTS.values()
    assert written("upstream/outputs.tf") == {event.replace("/", "_"): topics.public("+", event) for event in events}


def test_requests_are_read_where_they_are_recognized_and_answered_on_a_topic_of_the_outputs() -> None:
    read = written("downlink/main.tf")
    delta_topic = read.pop("topic_filter")
    assert read == {
        "downlink": topics.DOWNLINK_REQUEST,
        "downlink_push": topics.public("+", topics.DOWNLINK_PUSH),
        "downlink_replace": topics.public("+", topics.DOWNLINK_REPLACE),
    }
    assert all(topics.downlink_request(topic) for topic in read.values())
    assert delta.thing_of(delta_topic.replace("+", "barn")) == "barn"
    assert written("downlink/outputs.tf") == {"downlink_rejected": topics.public("+", topics.DOWNLINK_REJECTED)}


def test_the_right_to_answer_requests_is_for_the_topics_of_answers() -> None:
    granted = re.findall(r":topic/([^\"]+)", (MODULES / "downlink/main.tf").read_text())
    named = topics.public("*", topics.DOWNLINK_REJECTED)
    assert granted == [named, f"{topics.PUBLIC_BASE}/{topics.DOWNLINK_REJECTED}"]


def test_registry_events_are_selected_with_the_attributes_that_are_read() -> None:
    (selected,) = re.findall(r"selected_attributes = (\[.+\])", (MODULES / "registry/main.tf").read_text())
    assert json.loads(selected) == list(SELECTED)


def test_deltas_are_selected_by_the_field_of_desired_states() -> None:
    assert f'where        = "NOT isUndefined(state.{DECODED_PAYLOAD})"' in (MODULES / "downlink/main.tf").read_text()


def test_returned_downlinks_are_read_from_the_topics_of_their_messages() -> None:
    text = (MODULES / "end_to_end_encryption/requeue.tf").read_text()
    rules = re.findall(r'event += "(.+)"\n +where += (?:"NOT isUndefined\((\w+)\.\w+\)"|null)\n', text)
    assert len(rules) == text.count("event  ")
    for event, kind in rules:
        assert event in topics.UPSTREAM_EVENTS.values()
        assert not kind or topics.UPSTREAM_EVENTS[kind] == event
    assert 'topic_filter = "${var.base_topic}/${each.value.event}"' in text


def test_the_election_of_the_stack_that_answers_is_held_where_it_may_be_written() -> None:
    granted = re.findall(r":thing/(thingbridge[^\"]+)", (MODULES / "downlink/main.tf").read_text())
    assert granted == [ELECTION_THING, f"{ELECTION_THING}/{ELECTION_SHADOW}"]


def test_the_rule_for_requests_has_the_name_by_which_a_stack_is_found() -> None:
    text = (MODULES / "downlink/main.tf").read_text()
    assert 'name         = "${var.stack.name}-${each.key}"' in text
    assert f'    {RULE_SUFFIX.removeprefix("_")}         = "{topics.DOWNLINK_REQUEST}"' in text


def test_the_time_of_receipt_is_selected_for_requests_and_deltas() -> None:
    text = (MODULES / "downlink/main.tf").read_text()
    assert "timestamp() AS receivedAt" in text
    assert text.count("select       = local.select") == text.count('source = "../topic_rule"') == 1
    assert text.count('select       = "${local.keys[each.key]}, ${local.select}"') == 1
    assert text.count('source   = "../topic_rule"') == 1


def test_a_request_is_stored_for_the_thing_that_its_topic_names() -> None:
    text = (MODULES / "downlink/main.tf").read_text()
    for name, topic in written("downlink/main.tf").items():
        if name != "topic_filter" and (segments := topic.split("/")).count("+"):
            assert re.search(rf'{name} += "topic\({segments.index("+") + 1}\) AS thing, newuuid\(\) AS id"', text)


def test_devices_publish_and_are_answered_where_the_code_says() -> None:
    files = (MODULES / "devices/main.tf", MODULES / "devices/telemetry.tf")
    text = "".join(file.read_text() for file in files)
    found = dict(re.findall(r' (\w+) += "\$\{var\.stack\.name\}/([^"]+)"', text))
    source = Source("+", "+")
    assert {name: f"farm/{topic}" for name, topic in found.items()} == {
        "configuration": devices.configuration("farm", "+"),
        "sensor": devices.sensor("farm", "+", "+"),
        "status": devices.status("farm", "+"),
        "record": devices.record("farm", source),
        "rejected": devices.rejected("farm", "+"),
    }


def test_connections_are_selected_as_they_are_read() -> None:
    text = (MODULES / "devices/rotations.tf").read_text()
    (select,) = re.findall(r'select += "(.+)"', text)
    assert {*re.findall(r" AS (\w+)", select)} == {*json.loads(rule_payload.output("", b""))}
    (field,) = re.findall(r"regexp_matches\((\w+), '\^\[0-9a-f\]\{64\}\$'\)", text)
    (topic,) = re.findall(r'topic_filter = "(.+)"', text)
    assert topic == "$aws/events/presence/connected/+"
    event = {"clientId": "probe-1", "timestamp": 1_000, field: 64 * "a"}
    assert rotation.connection(event) == rotation.Connection("probe-1", 64 * "a", 1.0)


def test_the_right_to_answer_readings_is_for_the_topics_of_answers() -> None:
    granted = re.findall(r":topic/\$\{var\.stack\.name\}/([^\"]+)", (MODULES / "devices/telemetry.tf").read_text())
    assert [f"farm/{each}" for each in granted] == ["farm/record/*", devices.rejected("farm", "*")]
