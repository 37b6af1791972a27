"""Publishing and writing shadows, on moto's data plane."""

import json
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iotdata import iotdata_backends

from thingbridge.aws_iot import clients, data_plane
from thingbridge.errors import Misconfigured


def test_the_bytes_are_published_as_they_are(account: None) -> None:
    data_plane.publish("lorawan/barn/uplink", b'{"a" : 1.0}')
    published = iotdata_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].published_payloads
    assert published == [("lorawan/barn/uplink", b'{"a" : 1.0}')]


def test_a_report_keeps_what_it_does_not_name(iot: Any) -> None:
    iot.create_thing(thingName="barn")
    data_plane.report("barn", "lorawan", {"rssi": -71, "activated": "2025-01-02T03:00:00Z"})
    data_plane.report("barn", "lorawan", {"rssi": -90})
    shadow = boto3.client("iot-data").get_thing_shadow(thingName="barn", shadowName="lorawan")
    reported = json.loads(shadow["payload"].read())["state"]["reported"]
    assert reported == {"rssi": -90, "activated": "2025-01-02T03:00:00Z"}


def test_the_answer_to_a_shadow_write_is_read_so_that_its_connection_can_be_used_again(
    iot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    iot.create_thing(thingName="barn")
    answers = []
    client = clients.client("iot-data")
    update = client.update_thing_shadow
    monkeypatch.setattr(client, "update_thing_shadow", lambda **given: answers.append(update(**given)) or answers[-1])
    data_plane.report("barn", "lorawan", {"rssi": -71})
    assert answers[0]["payload"].read() == b""


def test_what_a_shadow_reports_can_be_read(iot: Any) -> None:
    iot.create_thing(thingName="barn")
    assert data_plane.reported("barn", "lorawan") == {}
    data_plane.report("barn", "lorawan", {"rssi": -71})
    assert data_plane.reported("barn", "lorawan") == {"rssi": -71}


def test_a_missing_permission_is_the_operators(answer_with: Any) -> None:
    answer_with("iot-data", "Publish", 403, "ForbiddenException")
    with pytest.raises(Misconfigured, match="publish on lorawan/barn/uplink: ForbiddenException"):
        data_plane.publish("lorawan/barn/uplink", b"{}")
