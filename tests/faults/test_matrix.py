"""The fault matrix: whatever hop fails in whatever way, nothing is lost. `make test` plays some of its cells."""

from typing import Any

import pytest

from tests.conftest import FIGURES
from tests.faults import documentation, matrix, scenarios
from tests.faults.deployment import Deployment
from tests.faults.matrix import Delivered, Outcome
from tests.faults.proxy import Fault
from tests.faults.scenarios import SCENARIOS, Scenario

CELLS = [
    (scenarios.UPLINK_OF_A_NEW_DEVICE, "iot CreateThing", Fault.KILLED, Outcome.CONVERGED, ""),
    (scenarios.UPLINK_OF_A_NEW_DEVICE, "iot-data Publish", Fault.BROKEN, Outcome.REPLAYED, "upstream_failures"),
    (scenarios.WEBHOOK, "iot-data Publish", Fault.RESET, Outcome.ANSWERED, ""),
    (scenarios.THING_CREATED, "NS PUT /applications/…/devices/…", Fault.KILLED, Outcome.CONVERGED, ""),
    (scenarios.PUSH, "AS POST /applications/…/devices/…/down/push", Fault.UNANSWERED, Outcome.CONVERGED, ""),
    (scenarios.PUSH_THAT_WAITED, "dynamodb DeleteItem", Fault.DENIED, Outcome.REPLAYED, "sending_dead_letters"),
]


@pytest.mark.parametrize(
    ("scenario", "hop", "fault", "outcome", "place"), CELLS, ids=[f"{each[1]}: {each[2]}" for each in CELLS]
)
def test_what_a_hop_fails_on_converges_or_waits_in_its_queue_until_it_is_replayed(
    deployed: Deployment, scenario: Scenario, hop: str, fault: Fault, outcome: Outcome, place: str
) -> None:
    cell = matrix.strike(deployed, scenario, hop, fault)
    assert (cell.outcome, cell.place) == (outcome, place), cell


def test_events_in_the_reverse_order_end_in_the_same_state(deployed: Deployment) -> None:
    cell = matrix.deliver(deployed, scenarios.JOIN_AND_UPLINKS, Delivered.BACKWARDS)
    assert cell.outcome is Outcome.CONVERGED, cell.missing


@pytest.mark.soak
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_no_fault_of_any_hop_loses_anything(deployed: Deployment, scenario: Scenario, record_property: Any) -> None:
    cells = list(matrix.cells(deployed, scenario))
    table = matrix.table(cells)
    for line in (f"faults: {scenario.name}", *table):
        record_property(FIGURES, line)
    assert not matrix.lost(cells)
    documented = documentation.sections(documentation.PAGE.read_text()).get(scenario.name, [])
    # The rows are in the order of their first requests, which differs where calls do not wait for each other.
    assert sorted(documented) == sorted("\n".join(table).strip("\n").split("\n")), (
        "the matrix has changed: write it with `python -m tests.faults`"
    )
