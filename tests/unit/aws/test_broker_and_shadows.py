"""Publishing, and reading and writing shadows, on moto's data plane."""

from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from tests.unit.conftest import AnswerWith, Clock
from thingbridge.aws.broker import Broker
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadows import ShadowFull, Shadows
from thingbridge.errors import Misconfigured
from thingbridge.pacing import TokenBucket


@pytest.fixture
def shadows(iot: Any, clients: Clients) -> Shadows:
    iot.create_thing(thingName="barn")
    return Shadows(clients, "lorawan")


def test_the_bytes_are_published_unchanged(clients: Clients) -> None:
    Broker(clients).publish("lorawan/barn/uplink", b'{"a" : 1.0}')
    published = iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads
    assert published == [("lorawan/barn/uplink", b'{"a" : 1.0}')]


def test_a_report_keeps_the_fields_that_it_does_not_name(shadows: Shadows) -> None:
    shadows.report("barn", {"rssi": -71, "activated": "2025-01-02T03:00:00Z"})
    shadows.report("barn", {"rssi": -90})
    assert shadows.reported("barn") == {"rssi": -90, "activated": "2025-01-02T03:00:00Z"}


def test_writes_keep_to_their_pace_and_reads_do_not_wait(iot: Any, clients: Clients, clock: Clock) -> None:
    iot.create_thing(thingName="barn")
    shadows = Shadows(clients, "lorawan", TokenBucket(rate=2, now=clock, sleep=clock.wait))
    for rssi in (-71, -72, -73):
        shadows.report("barn", {"rssi": rssi})
        shadows.reported("barn")
    assert clock.now == 1


def test_a_report_goes_to_the_named_shadow(shadows: Shadows) -> None:
    shadows.report("barn", {"rssi": -71})
    assert boto3.client("iot-data").list_named_shadows_for_thing(thingName="barn")["results"] == ["lorawan"]


def test_the_classic_shadow_of_a_thing_is_written_and_read_by_version(iot: Any, clients: Clients) -> None:
    iot.create_thing(thingName="barn")
    classic = Shadows(clients, None)
    classic.report("barn", {"alert_active": False})
    assert boto3.client("iot-data").list_named_shadows_for_thing(thingName="barn")["results"] == []
    assert classic.report("barn", {"alert_active": True}, version=9) is False
    assert classic.report("barn", {"alert_active": True}, version=1) is True
    assert (classic.document("barn") or {})["state"]["reported"] == {"alert_active": True}


def test_the_answer_to_a_write_is_read_so_that_its_connection_is_reused(shadows: Shadows, clients: Clients) -> None:
    answers: list[Any] = []
    clients("iot-data").meta.events.register(
        "after-call.iot-data-plane.UpdateThingShadow", lambda parsed, **_: answers.append(parsed["payload"])
    )
    shadows.report("barn", {"rssi": -71})
    (answer,) = answers
    assert answer.read() == b""


def test_the_reported_state_can_be_read_and_is_empty_without_a_shadow(shadows: Shadows) -> None:
    assert shadows.reported("barn") == {}
    assert shadows.document("barn") is None
    shadows.report("barn", {"rssi": -71})
    assert shadows.reported("barn") == {"rssi": -71}


def test_a_report_for_an_outdated_version_writes_nothing(shadows: Shadows) -> None:
    shadows.report("barn", {"rssi": -71})
    document = shadows.document("barn")
    assert document
    assert shadows.report("barn", {"rssi": -72}, version=document["version"]) is True
    assert shadows.report("barn", {"rssi": -73}, version=document["version"]) is False
    assert shadows.reported("barn") == {"rssi": -72}


def test_a_shadow_that_takes_no_more_is_full(shadows: Shadows, answer_with: AnswerWith) -> None:
    answer_with("iot-data", "UpdateThingShadow", 413, "RequestEntityTooLargeException")
    with pytest.raises(ShadowFull, match="write the shadow lorawan of barn: RequestEntityTooLargeException"):
        shadows.report("barn", {"rssi": -71})


def test_a_missing_permission_is_misconfigured(clients: Clients, answer_with: AnswerWith) -> None:
    answer_with("iot-data", "Publish", 403, "ForbiddenException")
    with pytest.raises(Misconfigured, match="publish on lorawan/barn/uplink: ForbiddenException"):
        Broker(clients).publish("lorawan/barn/uplink", b"{}")
