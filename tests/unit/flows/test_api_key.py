"""The check before anything is configured: one clear sentence for each fault."""

from collections.abc import Callable

import pytest

from local.things_stack import ThingsStack as Simulation
from tests.unit.conftest import APPLICATION
from thingbridge.errors import Busy, Misconfigured
from thingbridge.flows import api_key
from thingbridge.flows.ingest.integration import IngestMode
from thingbridge.flows.ingest.modes import MODES
from thingbridge.things_stack.client import ThingsStack

Open = Callable[..., ThingsStack]


@pytest.mark.parametrize("mode", IngestMode)
def test_a_key_with_the_documented_rights_passes_in_every_mode(open_client: Open, mode: IngestMode) -> None:
    api_key.check(open_client(), MODES[mode].RIGHTS)


def test_a_key_of_another_application_is_refused(simulation: Simulation, open_client: Open) -> None:
    simulation.create_application("other-app")
    with pytest.raises(
        Misconfigured, match=f"made for the application {APPLICATION}, and raise application_api_key_version"
    ):
        api_key.check(open_client(simulation.create_api_key("other-app")), {})


def test_a_key_with_all_rights_passes(simulation: Simulation, open_client: Open) -> None:
    key = simulation.create_api_key(APPLICATION, rights=["RIGHT_APPLICATION_ALL"])
    api_key.check(open_client(key), MODES[IngestMode.PACKAGE].RIGHTS)


@pytest.mark.parametrize(
    ("mode", "missing"), [(mode, right) for mode in IngestMode for right in {**api_key.RIGHTS, **MODES[mode].RIGHTS}]
)
def test_a_missing_right_is_named_as_the_console_names_it(
    simulation: Simulation, open_client: Open, mode: IngestMode, missing: str
) -> None:
    needed = {**api_key.RIGHTS, **MODES[mode].RIGHTS}
    key = simulation.create_api_key(APPLICATION, rights=[right for right in needed if right != missing])
    with pytest.raises(Misconfigured, match=f"add “{needed[missing]}” \\({missing}\\)$"):
        api_key.check(open_client(key), MODES[mode].RIGHTS)


def test_a_wrong_key_and_an_address_where_nothing_answers_are_named(open_client: Open) -> None:
    for key in ("NNSXS.WRONG.KEY", "no key at all"):
        with pytest.raises(Misconfigured, match="refuses the API key.*raise application_api_key_version"):
            api_key.check(open_client(key), {})
    with pytest.raises(Busy, match=r"no answer from 127.0.0.1:9.*check cluster_address"):
        api_key.check(open_client(remaining=1.1, address="http://127.0.0.1:9"), {})
