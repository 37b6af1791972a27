"""The way back: whatever an apply failed at, the next one and a destroy end with what the inputs say, and no more.

Every mode and every input, against a simulated The Things Stack and an AWS account in process.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from local.processes import free_port
from local.things_stack import ThingsStack as Simulation
from local.things_stack.limits import REMEMBERED_FOR
from tests.sizes import size
from tests.unit.flows.applies import Applies
from tests.unit.flows.world import APPLICATIONS, World
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.configuration import LONGEST

WRONG_KEY = "NNSXS.WRONG.KEY"
HURRIED = 1.3
"""Seconds of an invocation that is not to wait for a server that does not answer."""


Change = Callable[[World], dict[str, Any]]


def unreachable(_world: World) -> dict[str, Any]:
    return {"cluster_address": f"http://127.0.0.1:{free_port()}"}


def _wrong_key(world: World) -> dict[str, Any]:
    return world.key(WRONG_KEY)


MISTAKES: dict[str, Change] = {
    "cluster_address": unreachable,
    "identity_server_address": lambda _: {"identity_server_address": f"http://127.0.0.1:{free_port()}"},
    "application_id": lambda _: {"application_id": "gone-app"},
    "application_api_key": _wrong_key,
    "external_id": lambda world: {"external_id": "other", **world.key(WRONG_KEY)},
    "certificate_version": lambda world: {"certificate_version": 2, **world.key(WRONG_KEY)},
    "secret_version": lambda world: {"secret_version": 2, **world.key(WRONG_KEY)},
    "f_port": lambda world: {"f_port": 7, **world.key(WRONG_KEY)},
}
MODES = ("end_to_end_encryption", "manual", "mqtt", "package", "pubsub", "webhook")
OF_MODE = {
    "external_id": {"package", "pubsub"},
    "certificate_version": {"mqtt"},
    "secret_version": {"webhook"},
    "f_port": {"package"},
}
EVERY = [(mode, name) for mode in MODES for name in MISTAKES if mode in OF_MODE.get(name, set(MODES))]
ADDRESSES = [(mode, "cluster_address") for mode in MODES]


def fails(applies: Applies, wanted: dict[str, Any]) -> str:
    """Apply what can't be applied; the next plan still wants it."""
    with pytest.raises(ThingbridgeError) as caught:
        applies.apply(wanted, HURRIED)
    assert applies.plan(wanted) is not None
    return str(caught.value)


@pytest.mark.parametrize(
    ("mode", "name"), size([*ADDRESSES, *((mode, name) for mode, name in EVERY if name in OF_MODE)], EVERY)
)
def test_after_a_failed_apply_the_corrected_one_restores_everything_and_the_next_plan_is_empty(
    world: World, mode: str, name: str
) -> None:
    applies, right = world.applies(mode), world.wanted(mode)
    applies.apply(right)
    configured, certificates = world.configured, world.certificates
    assert bool(configured) == (mode != "manual")
    changes = MISTAKES[name](world)
    fails(applies, world.wanted(mode, **changes))
    assert world.configured == configured
    corrected = {**right, **(world.key(world.keys["farm-app"]) if "api_key_version" in changes else {})}
    applies.apply(corrected)
    assert (world.configured, world.certificates) == (configured, certificates)
    assert applies.plan(corrected) is None


@pytest.mark.parametrize(("mode", "name"), size(ADDRESSES, EVERY))
def test_after_a_failed_apply_a_destroy_leaves_nothing(world: World, mode: str, name: str) -> None:
    applies = world.applies(mode)
    applies.apply(world.wanted(mode))
    fails(applies, world.wanted(mode, **MISTAKES[name](world)))
    assert "left" not in applies.destroy()
    assert (world.configured, world.certificates) == ({}, [])


@pytest.mark.parametrize("mode", MODES)
def test_three_failures_with_three_keys_are_corrected_by_the_next_apply(world: World, mode: str) -> None:
    applies = world.applies(mode)
    applies.apply(world.wanted(mode))
    configured = world.configured
    for _ in range(3):
        wrong = world.wanted(mode, **world.key(f"{WRONG_KEY}{next(world.versions)}"))
        for _ in range(2):
            assert "refuses the API key" in fails(applies, wrong)
    right = world.wanted(mode, **world.key(world.keys["farm-app"]))
    applies.apply(right)
    assert world.configured == configured
    assert applies.plan(right) is None


@pytest.mark.parametrize("elsewhere", [False, True], ids=["one place", "many places"])
def test_however_many_applies_are_interrupted_the_record_has_room_for_the_next_one(
    world: World, elsewhere: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    applies, right = world.applies("package"), world.wanted("package")
    applies.apply(right)
    before = world.configured
    for number in range(1, 9):
        world.simulation.faults.add(path="/as/", method="PUT", status=400, times=50)
        changes = {"f_port": number if elsewhere else 198, "external_id": 99 * "b"}
        key = world.key(world.simulation.create_api_key("farm-app"))
        fails(applies, world.wanted("package", **changes, **key))
        world.simulation.faults.clear()
        assert len(json.dumps(applies.record, separators=(",", ":"))) <= LONGEST
        assert len(applies.record["others"]) == 1 or elsewhere
    assert ('"event": "left_behind"' in capsys.readouterr().out) == elsewhere
    corrected = {**right, **world.key(world.keys["farm-app"])}
    applies.apply(corrected)
    assert world.configured == before
    assert applies.plan(corrected) is None


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "manual"])
def test_an_apply_that_is_interrupted_is_finished_or_undone(world: World, mode: str) -> None:
    applies, right = world.applies(mode), world.wanted(mode)
    applies.apply(right)
    configured = world.configured
    # The other application, where the first write arrives and its answer does not.
    moved = world.wanted(mode, application_id="barn-app", **world.key(world.keys["barn-app"]))
    world.simulation.faults.add(path="/barn-app", method="PUT", status=503, times=50, after=True)
    world.simulation.faults.add(path="/barn-app", method="POST", status=503, times=50, after=True)
    fails(applies, moved)
    world.simulation.faults.clear()
    assert len(world.configured) > len(configured)
    corrected = {**right, **world.key(world.keys["farm-app"])}
    applies.apply(corrected)
    assert world.configured == configured
    assert len(world.certificates) == (mode == "mqtt")
    assert applies.plan(corrected) is None


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "manual"])
def test_a_move_to_another_application_removes_the_old_part_with_the_key_that_made_it(world: World, mode: str) -> None:
    applies = world.applies(mode)
    applies.apply(world.wanted(mode))
    moved = world.wanted(mode, application_id="barn-app", **world.key(world.keys["barn-app"]))
    answer = applies.apply(moved)
    assert len(answer["removed"]) == 1
    assert all("barn-app" in name for name in world.configured)
    assert world.configured


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "manual"])
def test_another_spelling_of_the_same_address_removes_nothing(world: World, mode: str) -> None:
    applies = world.applies(mode)
    applies.apply(world.wanted(mode))
    configured = world.configured
    applies.apply(world.wanted(mode, cluster_address=world.simulation.url.replace("127.0.0.1", "localhost")))
    assert world.configured == configured
    assert len(world.certificates) == (mode == "mqtt")


@pytest.mark.parametrize("mode", MODES)
def test_a_destroy_does_not_wait_for_a_things_stack_that_is_gone_and_reports_what_it_left(
    world: World, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    applies = world.applies(mode)
    applies.apply(world.wanted(mode))
    world.simulation.stop()
    answer = applies.destroy()
    assert world.certificates == []
    assert applies.record == {}
    if mode != "manual":
        assert "removed" not in answer
        (left,) = answer["left"]
        assert "farm-app" in left
        assert '"event": "left_behind"' in capsys.readouterr().out


def test_a_key_that_is_gone_does_not_block_a_destroy(world: World) -> None:
    applies = world.applies("webhook")
    applies.apply(world.wanted("webhook"))
    world.simulation.delete_api_key(world.keys["farm-app"])
    world.simulation.advance(REMEMBERED_FOR + 1)
    (left,) = applies.destroy()["left"]
    assert "the integration farm-" in left


def test_a_move_away_from_a_things_stack_that_is_gone_succeeds_and_tries_again_later(world: World) -> None:
    applies = world.applies("mqtt")
    with Simulation(port=0, profile="hosted") as other:
        other.create_application("farm-app")
        keys = world.key(other.create_api_key("farm-app"))
        there = {"cluster_address": other.url, "identity_server_address": other.url}
        applies.apply(world.wanted("mqtt", **there, **keys))
        other.faults.add(path="/as/pubsub", method="DELETE", status=503, times=50)
        here = world.wanted("mqtt", **world.key(world.keys["farm-app"]))
        assert len(applies.apply(here)["left"]) == 1
        assert len(world.certificates) == 1
        assert applies.plan(here) is None
        other.faults.clear()
        assert len(applies.apply(world.wanted("webhook", **world.key(world.keys["farm-app"])))["removed"]) == 2
        assert not other.servers.application.pubsubs
    assert world.certificates == []


def test_whoever_may_invoke_the_function_decides_neither_on_an_address_nor_on_a_secret_nor_on_a_policy(
    world: World,
) -> None:
    iot = world.clients("iot")
    iot.create_policy(policyName="theirs", policyDocument='{"Version": "2012-10-17", "Statement": []}')
    theirs = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName="theirs", target=theirs["certificateArn"])
    applies = world.applies("mqtt")
    applies.apply(world.wanted("mqtt"))
    configured = world.configured
    with Simulation(port=0, profile="hosted") as elsewhere:
        elsewhere.create_application("farm-app")
        there = {"cluster_address": elsewhere.url, "identity_server_address": elsewhere.url}
        forged = world.wanted("mqtt", policy_name="theirs", **there)
        for action in ("create", "update"):
            given = {"resource": "integration", "attempt": "forged", "configuration": "", **forged}
            applies.invoke({**given, "prev_input": forged}, action)
        assert len(elsewhere.requests) == 0
        assert world.configured == configured
        applies.invoke({"resource": "integration", **forged}, "delete")
        assert len(elsewhere.requests) == 0
    assert theirs["certificateId"] in world.certificates


@pytest.mark.parametrize("seed", range(size(4, 200)))
def test_any_history_of_applies_ends_with_what_the_last_one_wants(world: World, seed: int) -> None:
    chance = random.Random(seed)
    applies = world.applies("integration")
    modes = [mode for mode in MODES if mode != "end_to_end_encryption"]
    for _ in range(8):
        application = chance.choice(APPLICATIONS)
        wanted = world.wanted(
            chance.choice(modes),
            application_id=application,
            **world.key(chance.choice([world.keys[application], WRONG_KEY])),
        )
        if chance.random() < 0.4:
            world.simulation.faults.add(
                path="/as/",
                method=chance.choice(["PUT", "POST", "DELETE", "GET", None]),
                status=503,
                times=50,
                on_call=chance.choice([1, 2]),
                after=chance.random() < 0.5,
            )
        try:
            applies.apply(wanted, HURRIED)
        except ThingbridgeError:
            assert applies.plan(wanted) is not None
        world.simulation.faults.clear()
    mode = chance.choice(modes)
    right = world.wanted(mode, **world.key(world.keys["farm-app"]))
    applies.apply(right)
    assert applies.plan(right) is None
    assert all("farm-app" in name for name in world.configured)
    assert len(world.configured) == (mode != "manual")
    assert len(world.certificates) == (mode == "mqtt")
    assert "left" not in applies.destroy()
    assert (world.configured, world.certificates) == ({}, [])
