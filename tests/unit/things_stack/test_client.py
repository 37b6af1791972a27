"""The client of The Things Stack, against a simulated one that checks every request by the published API."""

from collections.abc import Callable

import pytest
from tests.unit.things_stack.conftest import APPLICATION

from local.things_stack import ThingsStack as Simulation
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound, ThingsStackBusy, ThingsStackRefused

Open = Callable[..., ThingsStack]


def test_the_rights_of_a_key_are_those_it_was_given(simulation: Simulation, open_client: Open) -> None:
    key = simulation.create_api_key(APPLICATION, rights=["RIGHT_APPLICATION_DEVICES_READ"])
    assert open_client(key).application_rights() == {"RIGHT_APPLICATION_DEVICES_READ"}


def test_the_cluster_tells_its_frequency_plans(open_client: Open) -> None:
    assert {"EU_863_870_TTN", "KR_920_923_TTN"} <= open_client().frequency_plan_ids()


@pytest.mark.parametrize("key", ["no key at all", "NNSXS.WRONG.KEY"])
def test_a_wrong_key_is_refused(open_client: Open, key: str) -> None:
    with pytest.raises(ApiKeyRefused, match="token|API key not found"):
        open_client(key).application_rights()


def test_a_key_that_was_rotated_is_read_anew_once(simulation: Simulation) -> None:
    asked: list[bool] = []
    fresh = simulation.create_api_key(APPLICATION)

    def api_key(refresh: bool) -> str:
        asked.append(refresh)
        return fresh if refresh else "NNSXS.OLD.KEY"

    client = ThingsStack(
        cluster_address=simulation.url,
        identity_server_address=simulation.url,
        application_id=APPLICATION,
        api_key=api_key,
        remaining_seconds=lambda: 5.0,
    )
    client.application_rights()
    assert asked == [False, True]


def test_a_missing_right_is_named(simulation: Simulation, open_client: Open) -> None:
    key = simulation.create_api_key(APPLICATION, rights=["RIGHT_APPLICATION_DEVICES_READ"])
    with pytest.raises(ApiKeyRefused, match="insufficient"):
        open_client(key).schedule_downlinks("tank-7", [], replace=True)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_tried_again(simulation: Simulation, open_client: Open, status: int) -> None:
    simulation.faults.add(method="GET", path="/rights", status=status, times=2)
    assert open_client().application_rights()


def test_a_server_without_the_operation_is_not_asked_again(simulation: Simulation, open_client: Open) -> None:
    simulation.faults.add(method="GET", path="/rights", status=501)
    with pytest.raises(ThingsStackRefused, match="501"):
        open_client().application_rights()


def test_a_queue_that_is_full_is_not_asked_again(simulation: Simulation, open_client: Open) -> None:
    simulation.register_device(
        APPLICATION, device_id="full-1", dev_eui="A81758FFFE0F0002", join_eui="A81758FFFE000001", app_key="01" * 16
    )
    simulation.network.join(APPLICATION, "full-1")
    downlinks = [{"f_port": 1, "frm_payload": "AQ=="}] * 10_000
    open_client().schedule_downlinks("full-1", downlinks, replace=True)
    with pytest.raises(ThingsStackRefused, match="downlink queue capacity exceeded"):
        open_client().schedule_downlinks("full-1", downlinks[:1], replace=False)


def test_a_connection_that_breaks_is_tried_again(simulation: Simulation, open_client: Open) -> None:
    simulation.faults.add(method="GET", path="/rights", reset=True)
    assert open_client().application_rights()


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_busy_is_given_up_while_time_is_left_to_say_so(
    simulation: Simulation, open_client: Open, status: int
) -> None:
    simulation.faults.add(method="GET", path="/rights", status=status, times=1000)
    with pytest.raises(ThingsStackBusy, match=str(status)):
        open_client(remaining=1.1).application_rights()


def test_an_address_where_nobody_answers_is_named(open_client: Open) -> None:
    with pytest.raises(ThingsStackBusy, match=r"no answer from 127\.0\.0\.1:9 \(can't connect\)"):
        open_client(remaining=1.1, address="http://127.0.0.1:9").application_rights()


def test_a_push_that_may_have_been_taken_is_not_sent_again(simulation: Simulation, open_client: Open) -> None:
    simulation.faults.add(method="POST", path="/down/push", reset=True, times=5)
    seen = len(simulation.requests)
    with pytest.raises(ThingsStackBusy):
        open_client().schedule_downlinks("tank-7", [{"f_port": 1, "frm_payload": "AQ=="}], replace=False)
    assert len([each for each in list(simulation.requests)[seen:] if each.path.endswith("/down/push")]) == 1


def test_a_device_that_a_server_does_not_know_is_none(open_client: Open) -> None:
    for server in set(Server) - {Server.CLAIMING}:
        assert open_client().end_device(server, "no-such-device", ("ids",)) is None
        assert open_client().delete_end_device(server, "no-such-device") is False
    assert open_client().find_device("A81758FFFE999999") is None


def test_a_downlink_for_an_unknown_device_is_not_found(open_client: Open) -> None:
    with pytest.raises(NotFound):
        open_client().schedule_downlinks("no-such-device", [{"f_port": 1, "frm_payload": "AQ=="}], replace=False)


def test_a_device_is_found_by_its_dev_eui(simulation: Simulation, open_client: Open) -> None:
    simulation.register_device(
        APPLICATION, device_id="found-1", dev_eui="A81758FFFE0F0001", join_eui="A81758FFFE000001", app_key="01" * 16
    )
    expected = EndDeviceIdentifiers("found-1", "A81758FFFE0F0001", "A81758FFFE000001")
    assert open_client().find_device("A81758FFFE0F0001") == expected
