"""The Things Stack under contract: the simulation, or the one that `make contract` names (see `__main__`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.things_stack.description.rights import DOCUMENTED_RIGHTS
from tests.contract.exchanges import Player, facts_of, recorded
from tests.contract.simulated import Simulated
from tests.contract.subject import Application, Subject


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A stack for each way takes minutes: with the simulation, which tests/e2e applies stacks to, only at full size."""
    if not config.pluginmanager.has_plugin("contract"):
        for item in items:
            if item.path.name == "test_whole.py":
                item.add_marker(pytest.mark.soak)


@pytest.fixture(scope="session")
def subject(pytestconfig: pytest.Config) -> Iterator[Subject]:
    """A plugin named `contract` opens another subject than the simulation."""
    named: Any = pytestconfig.pluginmanager.get_plugin("contract")
    with named.open_subject() if named else Simulated() as opened:
        yield opened


@pytest.fixture(scope="session")
def answers(subject: Subject) -> dict[str, dict[str, Any]]:
    """The facts of every answer by the name of its exchange. The requests depend on each other, so all are played."""
    player = Player(subject)
    return {exchange["name"]: facts_of(player.play(exchange)) for exchange in recorded()}


@pytest.fixture(scope="session")
def application(subject: Subject) -> Application:
    id_ = subject.create_application()
    return Application(subject, id_, subject.key(id_, DOCUMENTED_RIGHTS))


@pytest.fixture(scope="session")
def encrypted(subject: Subject) -> Application:
    """An application whose AppSKeys the Join Server wraps with a KEK that The Things Stack's other servers lack."""
    id_ = subject.create_application()
    return Application(subject, id_, subject.key(id_, DOCUMENTED_RIGHTS))
