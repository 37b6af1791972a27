"""What the documents say about messages is what the code reads and writes: topics, downlinks, shadows, codecs, logs."""

import ast
import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from itertools import product
from types import ModuleType
from typing import Any

import pytest

from tests import documents, events
from tests.documents import ROOT
from thingbridge.aws.things_log import UNIDENTIFIED
from thingbridge.errors import BadInput, Refused
from thingbridge.flows import codecs
from thingbridge.flows.end_devices import Outcome
from thingbridge.messaging import downlink, topics, upstream, webhook
from thingbridge.registry import status
from thingbridge.shadow import delta, limits, pacing, state
from thingbridge.shadow.delta import Change, Delta, Note
from thingbridge.shadow.state import ShadowSettings

README = documents.read("README.md")
UPSTREAM = documents.read("docs/upstream.md")
DOWNLINK = documents.read("docs/downlink.md")
SHADOW = documents.read("docs/shadow.md")
REGISTRY = documents.read("docs/registry.md")
CODECS = documents.read("docs/codecs.md")
INGEST = documents.read("docs/ingest.md")


def codes(cell: str) -> list[str]:
    return documents.code(cell)


def expanded(topic: str) -> Iterator[str]:
    """`a/{b,c}` → `a/b`, `a/c`."""
    parts = [part.split(",") for part in re.split(r"[{}]", topic)]
    return ("".join(each) for each in product(*parts))


def documented_topics(text: str) -> dict[str, str]:
    """Topic -> second cell of its row; `…/x` continues the topic before it."""
    found: dict[str, str] = {}
    for cell, second, *_ in documents.table(documents.section(text, "Topics"), "Topic"):
        first, *others = codes(cell)
        base = first.rpartition("/")[0]
        for topic in [first, *(each.replace("…", base, 1) for each in others)]:
            found |= dict.fromkeys(expanded(topic), second)
    return found


# Topics and messages


def test_the_topics_of_the_readme_are_those_of_messages_and_requests() -> None:
    to_you = {topics.public("<thing>", event) for event in topics.UPSTREAM_EVENTS.values()}
    to_you |= {topics.public("<thing>", topics.DOWNLINK_REJECTED)}
    from_you = {topics.public("<thing>", event) for event in (topics.DOWNLINK_PUSH, topics.DOWNLINK_REPLACE)}
    from_you |= {topics.DOWNLINK_REQUEST}
    assert documented_topics(README) == dict.fromkeys(to_you, "to you") | dict.fromkeys(from_you, "from you")


def test_every_kind_of_message_is_documented_with_its_topic_and_body() -> None:
    rows = documents.table(documents.section(UPSTREAM, "Topics"), "Topic")
    found = {}
    for cell, _, body in rows[:-1]:
        first, *others = codes(cell)
        named = [first, *(each.replace("…", first.rpartition("/")[0], 1) for each in others)]
        kinds = [each for each in codes(body) if each in topics.UPSTREAM_EVENTS]
        found |= dict(zip(kinds, named, strict=True))
    assert found == {kind: topics.public("<thing>", event) for kind, event in topics.UPSTREAM_EVENTS.items()}


def test_the_message_in_the_documentation_is_read_and_reported() -> None:
    (block,) = documents.blocks(UPSTREAM, "json")
    message = upstream.parse(events.rule_output(block.encode()), "farm")
    assert message.device.dev_eui == "A81758FFFE0312AB"
    reported = state.reported(message.body, ShadowSettings(decoded_payload=True))
    assert reported.fields["rssi"] == -71
    assert reported.fields["decodedPayload"] == {"level": 10.5}


# Requests


@pytest.mark.parametrize("document", ["README.md", "docs/downlink.md"])
def test_a_request_in_a_document_is_accepted(document: str) -> None:
    bodies = [json.loads(block) for block in documents.blocks(documents.read(document), "json")]
    requests = [body for body in bodies if body.keys() & {"bytes", "downlinks"}]
    assert requests
    for body in requests:
        topic = "lorawan/downlink" if "thingName" in body else "lorawan/tank-7/downlink/push"
        read = downlink.parse(received(body, topic))
        assert len(read) == len(body.get("downlinks", [body]))


def received(body: object, topic: str = "lorawan/tank-7/downlink/push") -> downlink.ReceivedRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return downlink.receive(events.rule_output(raw, topic))


def test_an_empty_list_clears_the_queue() -> None:
    assert '`{"downlinks": []}` clears it' in DOWNLINK
    assert downlink.parse(received({"downlinks": []}, "lorawan/tank-7/downlink/replace")) == ()


def test_the_fields_of_a_request_have_the_documented_defaults_and_limits() -> None:
    fields = {codes(row[0])[0]: row[1:] for row in documents.table(documents.section(DOWNLINK, "Requests"), "Field")}
    assert set(fields) == {
        *("thingName", "bytes", "payload", "fPort", "confirmed", "highPriority", "priority", "classBC"),
        *("correlationIDs", "downlinks"),
    }
    (default,) = downlink.parse(received({"bytes": ""}))
    assert (fields["fPort"][1], fields["confirmed"][1]) == ("1", "`false`")
    assert (default["f_port"], default["confirmed"]) == (1, False)
    assert fields["priority"][1] == f"`{default['priority']}`"
    assert set(codes(fields["priority"][2])) == {*downlink.PRIORITIES, "highPriority"}
    assert fields["fPort"][0] == f"1 to 255, not {downlink.FORBIDDEN_F_PORT}"
    assert f"up to {downlink.MAX_PAYLOAD_BYTES} bytes" in fields["bytes"][2]
    assert f"up to {downlink.MAX_CORRELATION_ID_LENGTH} characters" in fields["correlationIDs"][2]


def test_the_readme_names_the_fields_of_a_request() -> None:
    section = documents.section(README, "Topics")
    named = {code for line in section.splitlines() if line.startswith("- `") for code in codes(line)}
    rows = documents.table(documents.section(DOWNLINK, "Requests"), "Field")
    assert {codes(row[0])[0] for row in rows} - {"thingName", "downlinks"} <= named


REJECTED: dict[str, Any] = {
    "no JSON": b"\xff",
    "a list": [],
    "NaN": b'{"bytes": "AQ==", "priority": NaN}',
    "too deep": {"payload": json.loads("[" * 60 + "]" * 60)},
    "both": {"bytes": "AQ==", "payload": {}},
    "neither": {},
    "no base64": {"bytes": "?"},
    "too long": {"bytes": base64.b64encode(bytes(256)).decode()},
}


@pytest.mark.parametrize("body", REJECTED.values(), ids=REJECTED)
def test_a_reason_of_a_rejection_is_documented(body: object) -> None:
    with pytest.raises(BadInput) as rejected:
        downlink.parse(received(body))
    assert_documented(rejected.value)


def test_a_request_without_a_thing_is_rejected_for_the_documented_reason() -> None:
    with pytest.raises(BadInput) as rejected:
        downlink.parse(received({"bytes": "AQ=="}, "lorawan/downlink"))
    assert_documented(rejected.value)


def assert_documented(error: BadInput) -> None:
    rows = documents.table(documents.section(DOWNLINK, "Rejections"), "`field`")
    reasons = [reason for field, reasons, _ in rows if error.field in codes(field) for reason in reasons.split("; ")]
    assert any(re.fullmatch(re.escape(reason).replace("…", ".*"), error.reason) for reason in reasons), error


def test_the_example_of_a_rejection_is_what_is_published() -> None:
    (example,) = [json.loads(block) for block in documents.blocks(DOWNLINK, "json") if "reason" in block]
    request = replace(received(example["request"]), mark=example["correlationID"])
    assert re.fullmatch("thingbridge:[0-9a-f]{32}", example["correlationID"])
    with pytest.raises(BadInput) as rejected:
        downlink.parse(request)
    topic, body = downlink.rejection(request, "farm", rejected.value.field, rejected.value.reason)
    assert json.loads(body) == example
    assert topic == "lorawan/tank-7/downlink/rejected"


# Desired states


def test_the_input_of_the_encoder_is_that_of_the_example() -> None:
    (desired,) = [
        json.loads(block)["state"]["desired"] for block in documents.blocks(DOWNLINK, "json") if "desired" in block
    ]
    (encoder,) = [json.loads(block) for block in documents.blocks(DOWNLINK, "json") if '"version"' in block]
    change = Change(desired["decodedPayload"], 0, encoder["version"], {}, "")
    assert delta.downlink(change, 20)["decoded_payload"] == encoder


def test_the_status_of_a_desired_state_is_documented() -> None:
    written = delta.note(Note.SENT, Change({}, 0, 1, {}, ""), Delta("tank-7", 1, 0, 0), 0)
    (name,) = written
    rows = documents.table(documents.section(DOWNLINK, "Status of a desired state"), "Field")
    assert f"`reported.{name}`" in DOWNLINK
    assert {codes(row[0])[0] for row in rows} == set(written[name])
    assert codes(rows[0][1]) == list(Note)


# The shadow


def test_the_fields_of_the_shadow_are_those_that_messages_write() -> None:
    rows = documents.table(documents.section(SHADOW, "Fields"), "Field")
    writers = {field: re.split("[ ,;]+", row[2]) for row in rows for field in codes(row[0])}
    uplink = events.load("things_stack/uplink_decoded")
    everything = ShadowSettings(decoded_payload=True)
    by_uplink = set(state.reported(uplink, everything).fields)
    by_join = set(state.reported(events.load("things_stack/join"), everything).fields)
    assert {field for field, by in writers.items() if "uplink" in by} == by_uplink
    assert {field for field, by in writers.items() if "join" in by} == by_join
    assert set(writers) == by_uplink | by_join | {delta.NOTE, status.PROVISIONING}
    queued = {"end_device_ids": {}, "downlink_queued": {"f_cnt": 7}}
    assert state.metrics(queued, own_counters=True) == {"fCntDown": 7}
    assert "`downlink/queued`" in next(row[2] for row in rows if "fCntDown" in row[0])


def test_the_readme_lists_the_metrics_of_the_shadow() -> None:
    (row,) = [row for row in documents.table(README, "`shadow = { … }`") if "metrics" in row[0]]
    messages = [events.load(f"things_stack/{kind}") for kind in ("uplink", "join")]
    assert set(codes(row[1])) == {field for message in messages for field in state.metrics(message) or {}}


def test_the_settings_of_the_shadow_have_the_documented_defaults() -> None:
    rows = documents.table(documents.section(SHADOW, "Settings"), "`shadow = { … }`")
    documented = {codes(setting)[0]: json.loads(codes(default)[0]) for setting, default, _ in rows}
    assert documented == ShadowSettings()._asdict()
    readme = [code for row in documents.table(README, "`shadow = { … }`") for code in codes(row[0])]
    assert {code.partition(" = ")[0] for code in readme} == set(documented)


def test_the_limits_of_the_shadow_are_documented() -> None:
    section = documents.section(SHADOW, "Decoded payload")
    assert "eight levels" in section
    assert limits.MAX_LEVELS == 8
    assert f"more than {limits.MAX_PAYLOAD_BYTES // 1024} KB" in section
    assert "once a day all fields" in SHADOW
    assert pacing.COMPLETE_EVERY_SECONDS == 24 * 3600


def test_the_status_of_a_device_is_documented() -> None:
    rows = documents.table(documents.section(REGISTRY, "Provisioning status"), "Field")
    reported = status.failed(Refused("no"), again=False, digest="d")[status.PROVISIONING]
    assert {codes(row[0])[0] for row in rows} == set(reported)
    outcomes = set(Outcome) - {Outcome.DELETED, Outcome.ABSENT}
    assert set(codes(rows[0][1])) == {*outcomes, status.FAILED, status.RETRYING}


# Codecs


def test_the_codec_in_the_documentation_decodes() -> None:
    (source,) = documents.blocks(CODECS, "python")
    module = ModuleType("documented")
    exec(source, module.__dict__)  # noqa: S102
    usable = codecs.Codecs([codecs._codec("documented", module)], [])
    assert usable.decode({"f_port": 17, "frm_payload": base64.b64encode(b"\x08\x35").decode()}) == {"moisture": 21.01}


def test_the_command_that_tries_a_codec_works() -> None:
    (command,) = [block.strip() for block in documents.blocks(CODECS, "shell")]
    program, option, source = re.fullmatch(r"(python3) (-c) '(.*)'", command).groups()  # type: ignore[union-attr]
    assert program == "python3"
    folder = ROOT / "examples" / "complete" / "codecs"
    done = subprocess.run(
        [sys.executable, "-B", option, source], cwd=folder, capture_output=True, text=True, check=True
    )
    assert ast.literal_eval(done.stdout)["moisture"] == 21.01


def test_the_limits_of_a_codec_are_documented() -> None:
    time = codecs.TimeLimits()
    assert f"`took longer than {time.to_decode:g} s`" in CODECS
    assert f"({time.to_import:g} s for the import)" in CODECS
    assert f"the limit is {codecs.MAX_OUTPUT_BYTES}`" in CODECS
    assert f"up to {codecs.MAX_OUTPUT_BYTES // 1024} KB" in CODECS
    assert f"{upstream.MAX_MESSAGE_BYTES // 1024} KB of AWS IoT" in CODECS
    assert f"folder `{codecs.PACKAGE}`" in CODECS


# The webhook


def test_the_answers_of_the_webhook_are_documented() -> None:
    rows = documents.table(documents.section(INGEST, "`webhook`"), "Status")
    sources = [
        documents.read(f"lambda_src/thingbridge/{path}.py") for path in ("flows/ingest/receiver", "messaging/webhook")
    ]
    used = {HTTPStatus[name].value for source in sources for name in re.findall(r"HTTPStatus\.([A-Z_]+)", source)}
    assert {int(row[0]) for row in rows} == used


def test_what_the_webhook_checks_is_documented() -> None:
    section = documents.section(INGEST, "`webhook`")
    assert f"`{webhook.SECRET_HEADER}`" in section
    assert f"up to {webhook.LARGEST_BODY // 1024} KB of JSON" in section
    assert "the ten paths" in section
    assert len(topics.UPSTREAM_EVENTS) == 10


# Log entries


def recorded_events() -> set[str]:
    """The values of `event` that the code writes to the log of things, in all their forms."""
    found = set()
    for file in (ROOT / "lambda_src" / "thingbridge" / "flows").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("record", "_record")):
                found |= {event for argument in node.args for event in _event(argument)}
    return found


def _event(argument: ast.expr) -> set[str]:
    if isinstance(argument, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z]+)+", str(argument.value)):
        return {str(argument.value)}
    if isinstance(argument, ast.JoinedStr):
        (prefix, _) = argument.values
        assert isinstance(prefix, ast.Constant)
        return {f"{prefix.value}{outcome}" for outcome in Outcome}
    return set()


def test_every_entry_in_the_log_of_things_is_documented() -> None:
    recorded = recorded_events()
    assert {"message_dropped", "end_device_created", "downlink_rejected"} <= recorded
    named = {code for page in (ROOT / "docs").glob("*.md") for code in documents.code(page.read_text(encoding="utf-8"))}
    assert recorded <= named


def test_every_documented_entry_is_written() -> None:
    documented = {codes(row[0])[0] for row in documents.table(documents.section(UPSTREAM, "Delivery"), "`event`")}
    documented |= {
        code for code in codes(documents.section(REGISTRY, "Provisioning status")) if code.startswith("end_device_")
    }
    assert documented <= recorded_events()
    assert f"stream `{UNIDENTIFIED}`" in UPSTREAM
