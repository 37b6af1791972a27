"""Codecs: which one is for an uplink, and which uplinks need one."""

from typing import Any

import pytest

from tests import events
from thingbridge.messaging import codecs
from thingbridge.messaging.codecs import Codec


def codec(name: str, *devices: dict[str, Any]) -> Codec:
    return Codec(name, devices, lambda payload, f_port, version_ids: {})


PORT = codec("port", {"f_port": 2})
MODEL = codec("model", {"brand_id": "acme", "model_id": "soil"}, {"brand_id": "acme", "model_id": "soil-2"})


@pytest.mark.parametrize(
    ("uplink", "chosen"),
    [
        ({"f_port": 2}, PORT),
        ({"f_port": 3}, None),
        ({"f_port": 2, "version_ids": {"brand_id": "acme", "model_id": "soil"}}, MODEL),
        ({"f_port": 3, "version_ids": {"brand_id": "acme", "model_id": "soil-2"}}, MODEL),
        ({"f_port": 3, "version_ids": {"brand_id": "acme", "model_id": "other"}}, None),
        ({"f_port": 2, "version_ids": "nonsense"}, PORT),
    ],
)
def test_the_codec_with_the_most_matching_criteria_is_chosen(uplink: dict[str, Any], chosen: Codec | None) -> None:
    assert codecs.choose([PORT, MODEL], uplink) is chosen


@pytest.mark.parametrize(
    ("body", "needs_codec"),
    [
        ({"uplink_message": {"f_port": 2}}, True),
        ({"uplink_message": {"f_port": 2, "decoded_payload": {}}}, True),
        ({"uplink_message": {"f_port": 2, "decoded_payload": None}}, True),
        ({"uplink_message": {"f_port": 2, "decoded_payload": {"a": 0}}}, False),
        ({"uplink_message": {"f_port": 2, "app_s_key": {"kek_label": "farm", "encrypted_key": "AQ=="}}}, False),
        ({"uplink_message": {"frm_payload": "AQ=="}}, False),
        ({"uplink_message": {"f_port": True}}, False),
        ({"uplink_message": {"f_port": "2"}}, False),
        ({"uplink_message": []}, False),
        ({"join_accept": {}}, False),
    ],
)
def test_only_uplinks_without_a_decoded_payload_need_a_codec(body: dict[str, Any], needs_codec: bool) -> None:
    assert (codecs.undecoded(body) is not None) is needs_codec


@pytest.mark.parametrize(
    ("example", "needs_codec"), [("uplink", True), ("uplink_decoded", False), ("uplink_end_to_end_encrypted", False)]
)
def test_the_examples_need_a_codec_unless_they_are_decoded_or_encrypted(example: str, needs_codec: bool) -> None:
    assert (codecs.undecoded(events.load(f"things_stack/{example}")) is not None) is needs_codec
