"""What `thingbridge doctor` finds of quotas: those that a stack is slowed down by first, and what is used of them.

What the account is granted is Service Quotas' value, or AWS's default where that can't be read (AWS General Reference,
"AWS IoT Core endpoints and quotas"; Lambda developer guide, "Lambda quotas"). What is used is the highest minute of the
last day, of all that the account does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cli.aws import ERRORS, AppliedStack
from thingbridge.aws.parameters import Parameters
from thingbridge.aws.quotas import PERIOD, Granted, Metric, Quotas
from thingbridge.aws.topic_rules import TopicRules
from thingbridge.flows.findings import Finding

NEAR: Final = 0.8
"""The share of a quota from which on it is near."""

A_DAY: Final = 86_400.0

PER_CONNECTION: Final = 100.0
"""Messages per second that AWS IoT takes of one connection. It is not raised."""

LIST_THINGS: Final = "ListThings"


@dataclass(frozen=True)
class Quota:
    """A quota by AWS's codes. `usage`: what shows its use, if not the metric that Service Quotas names."""

    name: str
    service: str
    code: str
    default: float
    usage: tuple[Metric, ...] = ()
    per_second: bool = False


def _shadows(name: str) -> tuple[Metric, ...]:
    return tuple(
        Metric("AWS/IoT", f"{name}.Accepted", "Sum", (("Protocol", protocol),)) for protocol in ("HTTP", "MQTT")
    )


QUOTAS: Final = (
    Quota("concurrent executions of Lambda", "lambda", "L-B99A9384", 1_000,
          (Metric("AWS/Lambda", "ConcurrentExecutions", "Maximum"),)),
    Quota("CreateThing per second", "iotcore", "L-64CBACAC", 100, per_second=True),
    Quota(f"{LIST_THINGS} per second", "iotcore", "L-57AAC135", 10, per_second=True),
    Quota("UpdateThing per second", "iotcore", "L-211F680E", 100, per_second=True),
    Quota("requests of shadows per second", "iotcore", "L-6CC6395A", 400,
          (*_shadows("UpdateThingShadow"), *_shadows("GetThingShadow")), per_second=True),
)  # fmt: skip
"""The quotas of the account whose use CloudWatch shows."""

RULES: Final = Quota("rules of AWS IoT", "iotcore", "L-954FA751", 1_000)


@dataclass(frozen=True)
class _Used:
    """What is used of a quota, and what to do when it is near."""

    name: str
    used: float
    granted: float
    fix: str

    def finding(self) -> Finding:
        what = f"{self.used:,.0f} of {self.granted:,.0f} are used"
        return Finding(f"quota {self.name}", what, self.fix if self.used >= NEAR * self.granted else None)


def examine(stack: AppliedStack, _now: float) -> Iterator[Finding]:
    """The quotas that are near, each as a fault; otherwise the share of the one that is used most."""
    quotas = Quotas(stack.clients)
    granted = {each: _granted(quotas, each) for each in (*QUOTAS, RULES)}
    faults = [
        *_beyond(stack, granted),
        *(
            finding
            for used in (*_counted(stack, granted), *_measured(stack, quotas, granted))
            if (finding := used.finding()).fix
        ),
    ]
    yield from faults
    if not faults:
        unknown = [each for each, found in granted.items() if found is None]
        source = " (some by AWS's defaults: Service Quotas can't be read)" if unknown else ""
        yield Finding("quotas", f"none was near in the last day{source}")


def _granted(quotas: Quotas, quota: Quota) -> Granted | None:
    """None: not to be found out, so that the default counts."""
    try:
        return quotas.granted(quota.service, quota.code)
    except ERRORS:
        return None


def _value(granted: dict[Quota, Granted | None], quota: Quota) -> float:
    found = granted[quota]
    return found.value if found else quota.default


def _raise(quota: Quota) -> str:
    return f"have it raised in Service Quotas ({quota.service}, {quota.code})"


def _beyond(stack: AppliedStack, granted: dict[Quota, Granted | None]) -> Iterator[Finding]:
    """A setting that is above what the account is granted."""
    (quota,) = (each for each in QUOTAS if each.name.startswith(LIST_THINGS))
    makes = float(stack.functions.environment(f"{stack.name}-sync").get("LIST_THINGS_RATE", 0))
    if makes > (value := _value(granted, quota)):
        found = f"the stack may make {makes:g}, and the account is granted {value:g}"
        yield Finding(f"quota {quota.name}", found, f"lower limits.list_things_per_second, or {_raise(quota)}")


def _counted(stack: AppliedStack, granted: dict[Quota, Granted | None]) -> Iterator[_Used]:
    yield _Used(RULES.name, len(TopicRules(stack.clients).enabled()), _value(granted, RULES), _raise(RULES))


def _measured(stack: AppliedStack, quotas: Quotas, granted: dict[Quota, Granted | None]) -> Iterator[_Used]:
    """What metrics show; nothing where they can't be read, which is no fault of the stack."""
    wanted: list[tuple[str, float, str, tuple[Metric, ...], bool]] = []
    for quota in QUOTAS:
        found = granted[quota]
        usage = quota.usage or ((found.usage,) if found and found.usage else ())
        wanted.append((quota.name, _value(granted, quota), _raise(quota), usage, quota.per_second))
    if _mode(stack) == "mqtt":
        rule = Metric("AWS/IoT", "TopicMatch", "Sum", (("RuleName", f"{stack.name}_upstream".replace("-", "_")),))
        fix = "distribute the devices over two applications, each with a stack: AWS does not raise it"
        wanted.append(("messages per second of a connection", PER_CONNECTION, fix, (rule,), True))
    try:
        peaks = iter(quotas.peaks([metric for *_, usage, _ in wanted for metric in usage], A_DAY))
    except ERRORS:
        return
    for name, value, fix, usage, per_second in wanted:
        peak = sum(next(peaks) for _ in usage)
        yield _Used(name, peak / PERIOD if per_second else peak, value, fix)


def _mode(stack: AppliedStack) -> str | None:
    try:
        text = Parameters(stack.clients).read(f"/thethings/lorawan/{stack.name}/configure/wanted/integration")
        return str(json.loads(text)["mode"]) if text else None
    except (*ERRORS, ValueError, KeyError):
        return None
