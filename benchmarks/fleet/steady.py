"""Steady state: every device is known, and sends every ten minutes. What a rate of uplinks asks of the account.

The things exist from the beginning; each execution environment of `upstream` remembers devices as the product does.
Messages reach them as they come: Lambda does not choose an environment by device.
"""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from benchmarks.fleet import assembly
from benchmarks.fleet.account import QUOTAS, Account, Quotas, Registry
from benchmarks.fleet.assembly import Message, Stack
from benchmarks.fleet.engine import EPOCH, Agenda, Clock
from benchmarks.fleet.onboarding import PERIOD
from benchmarks.fleet.tables import Tables
from benchmarks.fleet.things_stack import Servers
from thingbridge.registry.directory import SURVEY

RATES: Final = (10, 100, 1_000, 2_000, 5_000)
"""Uplinks per second."""

SMALL_REGION: Final[Mapping[str, int]] = {**QUOTAS, "Publish": 2_000, "UpdateThingShadow": 400}

WARM_UP: Final = 120.0
MEASURED: Final = 60.0
"""Seconds before anything is counted, longer than an environment remembers a device, and seconds that are counted."""


class KnownThings(Registry):
    """A registry in which every device has its thing, as the product creates it."""

    def __contains__(self, name: str) -> bool:
        return True

    def attributes(self, name: str) -> dict[str, str] | None:
        """A thing's attributes."""
        return super().attributes(name) or {
            "devEUI": name,
            "stackName": assembly.STACK.name,
            "deviceID": f"eui-{name.lower()}",
            "joinEUI": assembly.JOIN_EUI,
        }


LOOKED_AT: Final = str(int((EPOCH - 30 * 86_400) * 1_000_000))
"""When the things were looked at, in microseconds: a month before the simulation begins."""


class KnownDevices(Tables):
    """Tables in which the directory knows the thing of every device, and no device waits."""

    def get(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a GetItem."""
        if request["TableName"] != assembly.DIRECTORY_TABLE:
            return {}
        name = request["Key"]["device"]["S"]
        if name == SURVEY:
            return {"Item": {"at": {"N": str(int(EPOCH))}, "complete_until": {"N": str(int(EPOCH) + 86_400)}}}
        return {"Item": {"device": {"S": name}, "thing": {"S": name}, "as_of": {"N": LOOKED_AT}, "made_at": {"N": "0"}}}


def run(
    rate: int,
    *,
    warm_up: float = WARM_UP,
    measured: float = MEASURED,
    quotas: Mapping[str, int] = QUOTAS,
    report: Callable[[float], None] = lambda _seconds: None,
) -> dict[str, Any]:
    """Simulate a rate of uplinks per second. Returns figures by name, of the measured seconds."""
    assembly.seed()
    clock, agenda, devices = Clock(), Agenda(), int(rate * PERIOD)
    account = Account(clock, Quotas(quotas))
    account.registry, account.tables = KnownThings(), KnownDevices()
    served = [0, 0]

    def published(at: float, _message: Message) -> None:
        served[at >= warm_up] += 1

    stack = Stack(account, agenda, Servers(clock), is_settled=lambda _: True, on_published=published)
    until = warm_up + measured

    def messages() -> Iterator[tuple[float, Message]]:
        # Devices are spread over the period at random: two neighbours do not meet the same environments each time.
        order = list(range(devices))
        random.shuffle(order)
        for number in range(int(rate * until)):
            at = number / rate
            if number % rate == 0:
                report(at)
            account.quotas.take("Publish", at)
            yield at, (order[number % devices], number // devices, at)

    with contextlib.redirect_stdout(io.StringIO()):
        agenda.run(messages(), stack.messages.put, until)
    seen, begin, end = account.quotas, int(warm_up), int(until)
    uplinks = rate * measured
    registry = ("DescribeThing", "ListThings", "CreateThing", "UpdateThing")
    function = stack.upstream
    return {
        "rate": rate,
        "devices": devices,
        "uplinks": uplinks,
        "served": served[1],
        "registry_calls_per_uplink": sum(seen.calls(each, begin, end) for each in registry) / uplinks,
        "shares": {each: seen.share(each, begin, end) for each in seen.limits if seen.calls(each, begin, end)},
        "calls_per_uplink": {each: seen.calls(each, begin, end) / uplinks for each in seen.operations()},
        "concurrency": stack.concurrency.most,
        "copies": function.copies,
        "milliseconds": 1000 * function.seconds / max(1, function.invocations),
        "refused": dict(seen.refused),
        "failed": sum(stack.messages.errors.values()),
    }
