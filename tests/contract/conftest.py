"""The Things Stack under contract: the simulation, or the one that `make contract` names (see `__main__`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.things_stack.description.rights import DOCUMENTED_RIGHTS
from tests.contract.exchanges import Player, facts_of, recorded
from tests.contract.simulated import Simulated
from tests.contract.subject import Application, Subject
from tests.contract.whole import Bridge, Way, applied, unreachable


def on_account(config: pytest.Config) -> Any:
    """The plugin of `make e2e-account`, which applies the stack; None without one."""
    return config.pluginmanager.get_plugin("account")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is about an account is played on one alone."""
    return True if collection_path.name == "test_account.py" and not on_account(config) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On an account, one stack is applied, whose messages come by webhook."""
    if "bridge" in metafunc.fixturenames:
        ways = [Way.WEBHOOK] if on_account(metafunc.config) else list(Way)
        metafunc.parametrize("bridge", ways, indirect=True, scope="session", ids=str)


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


@pytest.fixture(scope="session")
def bridge(
    request: pytest.FixtureRequest, subject: Subject, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bridge]:
    """The module between the subject and an AWS, applied once for each way of its messages."""
    way = request.param
    if account := on_account(request.config):
        with account.bridge(subject) as opened:
            yield opened
        return
    if reason := unreachable(subject, way):
        pytest.skip(reason)
    with applied(subject, way, tmp_path_factory.mktemp(f"whole-{way}") / "up") as opened:
        yield opened
