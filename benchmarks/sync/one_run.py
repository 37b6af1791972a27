"""One run over so many devices, in a process of its own: `python -m benchmarks.sync.one_run 10000`.

Prints one JSON object. The run goes through the function's own code down to the clients, and is stopped by the
function's time limit and continued as on AWS.
"""

import json
import resource
import sys
from typing import Any

from benchmarks.sync.registries import DRIFT, STACK, Account
from handlers.sync import Registries
from thingbridge.aws_iot import queues, thing_listing
from thingbridge.registry import synchronisation
from thingbridge.registry.synchronisation import Count, Rules, Run
from thingbridge.settings import OnThingDeleted, SyncMode, SyncSettings

TIME_LIMIT = 900.0
SETTINGS = SyncSettings(
    stack_name=STACK,
    things_log_group="",
    cluster_address="",
    identity_server_address="",
    application_id="farm-app",
    api_key_secret_arn="",
    registry_queue_url="registry",
    sync_queue_url="sync",
    on_thing_deleted=OnThingDeleted.DELETE,
    sync_mode=SyncMode.APPLY,
)


def measure(size: int) -> dict[str, Any]:
    """Compare two registries of so many devices; figures by name."""
    account = Account(size)
    # A stand-in for boto3's clients: the modules below know nothing else of AWS.
    for module in (queues, thing_listing):
        module.client = lambda _service: account  # type: ignore[attr-defined]
    cpu = account.clock.cpu_seconds()
    started = account.clock()
    run, finished = Run("benchmark", SyncMode.APPLY), False
    longest_message = 0
    while not finished:
        begun = account.clock()
        registries = Registries(SETTINGS, account, now=account.clock, sleep=account.clock.sleep)  # type: ignore[arg-type]
        run, finished = synchronisation.go_on(
            run,
            registries,
            Rules(STACK, OnThingDeleted.DELETE, lambda *_: None),
            lambda begun=begun: TIME_LIMIT - (account.clock() - begun),  # type: ignore[misc]
        )
        longest_message = max(longest_message, 0 if finished else len(run.message()))
        run = Run.read(json.loads(run.message())["continue"])
    without, differing = -(-size // (2 * DRIFT)), size // (2 * DRIFT)
    found = {name: run.counts.get(name, 0) for name in (Count.MISSING_THINGS, Count.DIFFERING, Count.IN_STEP)}
    expected = {Count.MISSING_THINGS: without, Count.DIFFERING: differing, Count.IN_STEP: size - without - differing}
    assert found == expected, f"found {found}, not {expected}"
    assert len(set(account.handed_over)) == len(account.handed_over) == without + differing
    return {
        "devices": size,
        "seconds": account.clock() - started,
        "parts": run.counts[Count.PARTS],
        "cpu_seconds": account.clock.cpu_seconds() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "calls": dict(account.calls),
        "work": len(account.handed_over),
        "longest_message": longest_message,
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
