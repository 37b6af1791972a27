"""One run over a number of devices, in a process of its own: `python -m benchmarks.sync.one_run 10000`.

Prints one JSON object. The run uses the function's own code down to the clients, and is stopped by the function's time
limit and continued as on AWS, in the same execution environment: no other is needed.
"""

import json
import resource
import sys
from typing import Any

from benchmarks.sync.registries import DRIFT, OWNER, STACK, Account
from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.queues import Queue
from thingbridge.aws.things import Things
from thingbridge.aws.things_log import ThingsLog
from thingbridge.flows.directory import Directory
from thingbridge.flows.directory_upkeep import Upkeep
from thingbridge.flows.sync import Registries
from thingbridge.registry import sync
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.registry.sync import Count, KeptIndex, Rules, Run, SyncMode

TIME_LIMIT = 900.0
STACK_OF_THINGS = StackOfThings(STACK, "lorawan", ThingNameScheme.DEV_EUI)


def measure(size: int) -> dict[str, Any]:
    """Compare two registries of that many devices; returns figures by name."""
    account: Any = Account(size)
    table = DirectoryTable(account, "directory")
    cpu = account.clock.cpu_seconds()
    started = account.clock()
    run, finished, kept = Run("benchmark", SyncMode.APPLY), False, KeptIndex()
    longest_message = 0
    while not finished:
        begun = account.clock()
        registries = Registries(
            STACK,
            Things(account),
            account,
            Queue(account, "registry"),
            upkeep=Upkeep(table, Directory(STACK_OF_THINGS, Things(account), table, ThingsLog(account, "log"))),
            now=account.clock,
            sleep=account.clock.sleep,
        )
        run, finished = sync.resume(
            run,
            registries,
            Rules(OWNER, OnThingDeleted.DELETE, lambda *_: None, lambda *_: None),
            lambda begun=begun: TIME_LIMIT - (account.clock() - begun),  # type: ignore[misc]
            kept,
        )
        longest_message = max(longest_message, 0 if finished else len(run.message()))
        run = Run.read(json.loads(run.message())["continue"])
    without, differing = -(-size // (2 * DRIFT)), size // (2 * DRIFT)
    found = {name: run.counts.get(name, 0) for name in (Count.MISSING_THINGS, Count.DIFFERING, Count.IN_STEP)}
    expected = {Count.MISSING_THINGS: without, Count.DIFFERING: differing, Count.IN_STEP: size - without - differing}
    assert found == expected, f"found {found}, not {expected}"
    assert len(set(account.sent)) == len(account.sent) == without + differing
    return {
        "devices": size,
        "seconds": account.clock() - started,
        "parts": run.counts[Count.PARTS],
        "cpu_seconds": account.clock.cpu_seconds() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "calls": dict(account.calls),
        "work": len(account.sent),
        "longest_message": longest_message,
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
