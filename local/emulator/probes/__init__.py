"""The facts about AWS that this project relies on in the emulator, each with a check. `make emulator` runs them.

An upgrade of the emulator that breaks one of them fails as a list of what no longer holds. Facts about the product are
not here: they are in tests/.
"""

from local.emulator.probes import (
    authorizers,
    connections,
    functions,
    jobs,
    permissions,
    queues,
    registry,
    rules,
    schedules,
    shadows,
    storage,
)
from local.emulator.probes.account import Account
from local.emulator.probes.probe import Outcome, Probe, run

PROBES: tuple[Probe, ...] = (
    *rules.PROBES,
    *registry.PROBES,
    *shadows.PROBES,
    *jobs.PROBES,
    *connections.PROBES,
    *permissions.PROBES,
    *authorizers.PROBES,
    *functions.PROBES,
    *queues.PROBES,
    *storage.PROBES,
    *schedules.PROBES,
)

__all__ = ["PROBES", "Account", "Outcome", "Probe", "run"]
