"""Topics: built and parsed, and a message never becomes a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.messaging import topics


def test_the_event_is_the_end_of_the_stacks_topic() -> None:
    assert topics.upstream_event("thethings/lorawan/farm/downlink/ack", "farm") == "downlink/ack"


@pytest.mark.parametrize("topic", ["thethings/lorawan/farm2/uplink", "thethings/lorawan/farm/", "lorawan/x/uplink"])
def test_another_topic_has_no_event(topic: str) -> None:
    assert topics.upstream_event(topic, "farm") is None


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("lorawan/downlink", topics.DownlinkTopic(None, replace=False)),
        ("lorawan/tank-7/downlink/push", topics.DownlinkTopic("tank-7", replace=False)),
        ("lorawan/tank-7/downlink/replace", topics.DownlinkTopic("tank-7", replace=True)),
        ("lorawan/tank-7/downlink/rejected", None),
        ("lorawan/tank-7/downlink", None),
        ("other/tank-7/downlink/push", None),
        (None, None),
    ],
)
def test_downlink_requests_are_recognized_by_their_topic(topic: object, expected: topics.DownlinkTopic | None) -> None:
    assert topics.downlink_request(topic) == expected


@given(st.text("abcXYZ019:_-", min_size=1, max_size=128), st.sampled_from(["push", "replace"]))
def test_a_public_request_topic_is_parsed_for_every_thing_name(name: str, operation: str) -> None:
    read = topics.downlink_request(topics.public(name, f"downlink/{operation}"))
    assert read == topics.DownlinkTopic(name, replace=operation == "replace")


def test_an_event_fits_if_its_topic_keeps_the_limits_of_the_broker() -> None:
    assert topics.fits("/".join("abcdef"))
    assert not topics.fits("/".join("abcdefg"))
    assert topics.fits("e" * (256 - len("lorawan//") - 128))
    assert not topics.fits("e" * (257 - len("lorawan//") - 128))
