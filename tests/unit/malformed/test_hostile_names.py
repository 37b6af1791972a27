"""Hostile texts in every field of a message, a request, an event and a thing.

None becomes a topic, a log stream, the name of a thing, or a part of an address.

The account takes no request that AWS would not take (account.py), so a name that gets through fails here as well.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import composition
from tests import events, hostile
from tests.malformed import messages, paths, replaced
from tests.sizes import size
from tests.unit.invocation import Invocation
from tests.unit.malformed.account import Account
from tests.unit.malformed.conftest import EVERYTHING, PLAIN
from tests.unit.malformed.test_other_events import THINGS_STACK, WAITING
from thingbridge.aws.things_log import UNIDENTIFIED
from thingbridge.devices import topics as device_topics
from thingbridge.errors import BadInput
from thingbridge.flows.upstream import Upstream
from thingbridge.messaging.upstream import MAX_MESSAGE_BYTES
from thingbridge.registry import attributes as registry_attributes
from thingbridge.registry import events as registry_events
from thingbridge.registry.attributes import ATTRIBUTE_VALUE, Attribute

MESSAGES: Final = messages()
DEVICE_ID: Final = r"[a-z0-9](?:-?[a-z0-9]){2,35}"
THING: Final = re.compile(rf"tank-7|[0-9A-F]{{16}}|farm_{DEVICE_ID}")
"""What a thing is called that a message may be about: the known one, or one that it makes."""

ANSWERS: Final = re.compile(r"lorawan/(?:[a-zA-Z0-9:_-]{1,128}/)?downlink/rejected")

examples = settings(
    max_examples=size(8, 1500), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def texts_in(value: Any) -> list[tuple[str | int, ...]]:
    """The places of all texts of a message."""
    return [at for at in paths(value) if at and isinstance(found(value, at), str)]


def found(value: Any, at: Sequence[str | int]) -> Any:
    for name in at:
        value = value[name]
    return value


def everywhere(body: Any, text: str) -> Any:
    """The message with this text in place of each other one, except for what says which device it is about."""
    for at in texts_in(body):
        if at[0] != "end_device_ids":
            body = replaced(body, at, text)
    return body


def printed(output: str) -> list[dict[str, Any]]:
    """The lines of a function's log: each is JSON in printable ASCII, so none can be made to look like two."""
    assert output.replace("\n", "").isprintable()
    assert output.isascii()
    return [json.loads(line) for line in output.splitlines()]


def leaves_its_device(account: Account, event: str) -> Iterator[str]:
    """Where a message got that is not of a device it may be about."""
    for topic, _ in account.published:
        base, thing, rest = [*topic.split("/", 2), "", ""][:3]
        if base != "lorawan" or not THING.fullmatch(thing) or rest != event:
            yield f"published on {topic}"
    for each in account.log:
        if not THING.fullmatch(each["stream"]) and each["stream"] != UNIDENTIFIED:
            yield f"recorded in {each['stream']}"


@pytest.fixture
def flow(account: Account) -> Upstream:
    return composition.upstream(EVERYTHING, account)  # type: ignore[arg-type]


def sent(flow: Upstream, account: Account, body: Any, event: str, topic: str | None = None) -> list[str]:
    account.clear()
    topic, payload = topic or f"thethings/lorawan/farm/{event}", json.dumps(body).encode()
    if len(payload) <= MAX_MESSAGE_BYTES:  # AWS IoT accepts no longer one
        flow.handle(events.rule_output(payload, topic))
    return list(leaves_its_device(account, event))


@pytest.mark.parametrize("name", MESSAGES if size(False, True) else ["uplink", "all fields of downlink_queued"])
def test_a_message_reaches_its_own_device_whatever_its_other_fields_say(
    flow: Upstream, account: Account, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    message = MESSAGES[name]
    for text in hostile.SOME:
        assert sent(flow, account, everywhere(message.body, text), message.event) == [], ascii(text)
    printed(capsys.readouterr().out)


def test_a_message_that_names_its_device_with_a_hostile_text_makes_no_thing_of_that_name(
    flow: Upstream, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    message = MESSAGES["uplink"]
    ids = [at for at in texts_in(message.body) if at[0] == "end_device_ids"]
    assert len(ids) >= 4
    for at, text in itertools.product(ids, hostile.SOME):
        assert sent(flow, account, replaced(message.body, at, text), message.event) == [], (at, ascii(text))
    printed(capsys.readouterr().out)


def test_a_kind_of_message_can_not_leave_the_topics_of_its_device(flow: Upstream, account: Account) -> None:
    """Unknown kinds pass through: whoever may publish for the stack chooses the end of the topic."""
    for text in hostile.SOME:
        assert sent(flow, account, MESSAGES["uplink"].body, text, f"thethings/lorawan/farm/{text}") == [], ascii(text)
        assert not set("+#\0") & set("".join(topic for topic, _ in account.published))


@examples
@given(data=st.data())
def test_any_text_in_any_field_of_a_message(flow: Upstream, account: Account, data: st.DataObject) -> None:
    message = MESSAGES[data.draw(st.sampled_from(sorted(MESSAGES)))]
    at = data.draw(st.sampled_from(texts_in(message.body)))
    assert sent(flow, account, replaced(message.body, at, data.draw(hostile.texts())), message.event) == []


# Downlink requests ---------------------------------------------------------------------------------------------------


class Pushes:
    """A downlink queue that remembers whose it is."""

    def __init__(self) -> None:
        self.devices: list[str] = []

    def schedule(self, device: Any, downlinks: Sequence[Mapping[str, Any]], **_: object) -> None:
        """Push or replace."""
        json.dumps(downlinks, allow_nan=False)
        self.devices.append(device.device_id)


def requested(account: Account, body: Any, topic: str) -> list[str]:
    """The topics of the answers to a request; nothing else is published, and no other device gets a downlink."""
    account.clear()
    pushes = Pushes()
    event = events.rule_output(json.dumps(body).encode(), topic)
    environment = {**PLAIN, **THINGS_STACK, **WAITING, "DELTA_F_PORT": "5"}
    made: Any = composition.downlink(environment, account)(Invocation()).flow(event)  # type: ignore[arg-type]
    made.__class__(**{**vars(made), "queue": pushes}).handle(event)
    assert set(pushes.devices) <= {"tank-7"}
    for each in account.log:
        assert each["stream"] == UNIDENTIFIED or re.fullmatch(r"[a-zA-Z0-9/_-]{1,128}", each["stream"]), each
    return [each for each, _ in account.published]


def test_a_request_with_hostile_names_is_answered_where_its_sender_looks(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    several = events.load("downlink_request/several")
    for text in hostile.SOME:
        requests = [
            ({"thingName": text, "bytes": "AQ=="}, "lorawan/downlink"),
            ({"bytes": "AQ=="}, f"lorawan/{text}/downlink/push"),
            ({"bytes": "AQ==", "priority": text, "correlationIDs": [text]}, "lorawan/tank-7/downlink/push"),
            ({"bytes": "AQ==", "classBC": {"gateways": [text]}}, "lorawan/tank-7/downlink/push"),
            ({"payload": {text: text}, text: text, "correlationIDs": [text]}, "lorawan/tank-7/downlink/replace"),
            (everywhere(several, text), "lorawan/tank-7/downlink/push"),
        ]
        for body, topic in requests:
            answers = requested(account, body, topic)
            assert all(map(ANSWERS.fullmatch, answers)), (ascii(text), answers)
    printed(capsys.readouterr().out)


# The registry --------------------------------------------------------------------------------------------------------


@examples
@given(
    given_=st.dictionaries(
        st.sampled_from(sorted(map(str, Attribute))),
        st.one_of(hostile.texts(), st.from_regex(ATTRIBUTE_VALUE, fullmatch=True), st.just("A81758FFFE0312AB")),
    )
)
def test_an_attribute_of_a_thing_becomes_a_part_of_an_address_only_as_an_identifier(given_: dict[str, str]) -> None:
    """The Things Stack's API has the device id in its paths, and the EUIs in its queries."""
    for read in (
        registry_attributes.reference,
        lambda given_: registry_attributes.new_device(given_, "EU_863_870_TTN"),
    ):
        try:
            device: Any = read(given_)
        except BadInput:
            continue
        assert re.fullmatch(DEVICE_ID, device.device_id)
        assert device.dev_eui is None or re.fullmatch("[0-9A-F]{16}", device.dev_eui)


def test_an_event_about_a_name_that_no_thing_can_have_is_refused() -> None:
    for text in hostile.TEXTS:
        event = json.dumps({**events.load("registry/thing_created"), "thingName": text})
        if re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", text):
            assert registry_events.parse(event).thing_name == text
        else:
            with pytest.raises(BadInput, match="must be the name of a thing"):
                registry_events.parse(event)


FORMS: Final = ("farm/sensor/temperature/{}", "farm/sensor/{}/probe", "{}/sensor/temperature/probe")
"""Topics of readings, with a place for a hostile text."""


def test_a_reading_is_of_a_device_of_the_stack_that_its_topic_names() -> None:
    for text, form in itertools.product(hostile.TEXTS, FORMS):
        topic = form.replace("{}", text)
        source = device_topics.source(topic, "farm")
        if source:
            assert re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", source.device)
            assert topic == f"farm/sensor/{source.type_name}/{source.device}"
