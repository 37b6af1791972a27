"""Downlinks that are queued, refused or not repeated, against a simulation that checks every request."""

from collections.abc import Callable

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound, ThingsStackBusy, ThingsStackRefused

Open = Callable[..., ThingsStack]
DOWNLINK = {"f_port": 1, "frm_payload": "AQ=="}


def test_a_missing_right_is_reported(simulation: Simulation, open_client: Open) -> None:
    key = simulation.create_api_key(APPLICATION, rights=["RIGHT_APPLICATION_DEVICES_READ"])
    with pytest.raises(ApiKeyRefused, match="insufficient"):
        open_client(key).downlink_queue.schedule("tank-7", [], replace=True)


def test_a_push_to_a_full_queue_is_not_retried(simulation: Simulation, open_client: Open) -> None:
    simulation.register_device(
        APPLICATION, device_id="full-1", dev_eui="A81758FFFE0F0002", join_eui="A81758FFFE000001", app_key="01" * 16
    )
    simulation.network.join(APPLICATION, "full-1")
    downlinks = [DOWNLINK] * 10_000
    open_client(remaining=60.0).downlink_queue.schedule("full-1", downlinks, replace=True)
    seen = len(simulation.requests)
    with pytest.raises(ThingsStackRefused, match="downlink queue capacity exceeded"):
        open_client().downlink_queue.schedule("full-1", downlinks[:1], replace=False)
    assert len(simulation.requests) == seen + 1


def test_an_encoder_that_does_not_end_refuses_the_downlink(simulation: Simulation, open_client: Open) -> None:
    endless = {
        "down_formatter": "FORMATTER_JAVASCRIPT",
        "down_formatter_parameter": "function encodeDownlink() { for (;;) {} }",
    }
    simulation.register_device(APPLICATION, device_id="endless-1", dev_eui="A81758FFFE0F0003", formatters=endless)
    simulation.network.join(APPLICATION, "endless-1")
    with pytest.raises(ThingsStackRefused, match="504: script timeout"):
        open_client().downlink_queue.schedule("endless-1", [{"f_port": 1, "decoded_payload": {}}], replace=False)


def test_a_push_that_may_have_been_accepted_is_not_sent_again(simulation: Simulation, open_client: Open) -> None:
    simulation.faults.add(method="POST", path="/down/push", reset=True, times=5)
    seen = len(simulation.requests)
    with pytest.raises(ThingsStackBusy):
        open_client().downlink_queue.schedule("tank-7", [DOWNLINK], replace=False)
    assert len([each for each in list(simulation.requests)[seen:] if each.path.endswith("/down/push")]) == 1


def test_a_downlink_for_an_unknown_device_is_not_found(open_client: Open) -> None:
    with pytest.raises(NotFound):
        open_client().downlink_queue.schedule("no-such-device", [DOWNLINK], replace=False)
