"""The examination of an applied stack from a person's shell: in the order in which a fault causes those below it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cli.aws import ERRORS, AppliedStack, sentence, stops_everything
from cli.doctor import quotas
from cli.errors import Failed
from cli.failures import queues
from cli.output import count
from thingbridge.aws.account import REQUIRED, Account
from thingbridge.aws.logs import function_log_group
from thingbridge.aws.roles import Roles
from thingbridge.aws.topic_rules import TopicRules
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.findings import Finding

FUNCTIONS: Final = ("configure", "upstream", "waiting", "directory", "downlink", "registry")
OPTIONAL_FUNCTIONS: Final = (
    "webhook",
    "shadow",
    "sync",
    "requeue",
    "devices",
    "provision",
    "rotations",
    "telemetry",
    "authorizer",
)
RULES: Final = (
    "upstream",
    "directory_changed",
    "directory_created",
    "downlink",
    "downlink_push",
    "downlink_replace",
    "registry",
)

MOST_SKEW: Final = 120.0
"""Seconds by which clocks may differ: AWS refuses requests that are signed 5 minutes or more off."""

QUIET: Final = 86_400.0
"""Seconds without a message after which the time of the last one is said to be long ago. It is not a fault."""

USUAL_RUNS: Final = 3_600.0
"""Seconds in which the comparison is expected to have run, unless it was never due."""

_APPLY: Final = "run `terraform apply`"

Findings = Iterator[Finding]


def examine(stack: AppliedStack, now: Callable[[], float] = time.time) -> Findings:
    """What is found, in order. Raises Failed when there is no such stack, and what would fail every call."""
    yield _clock(stack, now)
    stack.must_exist()
    parts: dict[str, Callable[[AppliedStack, float], Findings]] = {
        "functions": _functions,
        "rules": _rules,
        "registry events": _events,
        "thing type": _thing_type,
        "The Things Stack": _things_stack,
        "quotas": quotas.examine,
        "messages": _traffic,
        "queues of failures": _failures,
        "comparison": _comparison,
    }
    for what, part in parts.items():
        try:
            yield from part(stack, now())
        except ERRORS as error:
            if isinstance(error, ThingbridgeError) and stops_everything(error):
                raise
            yield Finding(what, "it can't be examined", sentence(error))


def _clock(stack: AppliedStack, now: Callable[[], float]) -> Finding:
    skew = now() - Account(stack.clients).clock()
    if abs(skew) > MOST_SKEW:
        ahead = "ahead of" if skew > 0 else "behind"
        return Finding("clock", f"{abs(skew):.0f} s {ahead} AWS's", "set the clock of this machine")
    return Finding("clock", "this machine's agrees with AWS's")


def _functions(stack: AppliedStack, _now: float) -> Findings:
    faults = 0
    for end in (*FUNCTIONS, *OPTIONAL_FUNCTIONS):
        name = f"{stack.name}-{end}"
        health = stack.functions.health(name)
        if health is None:
            if end in FUNCTIONS:
                faults += 1
                yield Finding(f"function {name}", "it does not exist", _APPLY)
            continue
        state, update = health
        if state.partition(":")[0] not in ("Active", "Inactive"):  # AWS makes an unused one inactive
            faults += 1
            yield Finding(f"function {name}", f"its state is {state}", f"remove the reason, then {_APPLY}")
        elif update.startswith("Failed"):
            faults += 1
            yield Finding(f"function {name}", f"its last update {update}", f"remove the reason, then {_APPLY}")
        for source in stack.functions.disabled_sources(name):
            faults += 1
            yield Finding(f"function {name}", f"it gets nothing from {source}", f"enable the event source, or {_APPLY}")
    if not faults:
        yield Finding("functions", "all exist and are active")


def _rules(stack: AppliedStack, _now: float) -> Findings:
    enabled = TopicRules(stack.clients).enabled()
    faults = 0
    for end in RULES:
        name = f"{stack.name}_{end}".replace("-", "_")
        if not enabled.get(name):
            faults += 1
            fix = f"run `aws iot enable-topic-rule --rule-name {name}`" if name in enabled else _APPLY
            yield Finding(f"rule {name}", "it is disabled" if name in enabled else "it does not exist", fix)
    if not faults:
        yield Finding("rules", "all exist and are enabled")


def _events(stack: AppliedStack, _now: float) -> Findings:
    if Account(stack.clients).thing_events():
        yield Finding("registry events", "AWS IoT publishes those of things")
    else:
        fix = 'run `aws iot update-event-configurations --event-configurations \'{"THING": {"Enabled": true}}\'`'
        yield Finding("registry events", "they are switched off: no device follows its thing", fix)


def _thing_type(stack: AppliedStack, _now: float) -> Findings:
    name = stack.functions.environment(f"{stack.name}-upstream").get("THING_TYPE_NAME")
    if name is None:
        return
    found = Account(stack.clients).thing_type(name)
    what = f"thing type {name}"
    if found is None:
        resource = "aws_lambda_invocation.thing_type[0]"
        fix = f"run `terraform apply -replace` for the resource {resource} of the module integration"
        yield Finding(what, "it does not exist: no thing can be created", fix)
        return
    searchable, deprecated = found
    missing = [each for each in REQUIRED if each not in searchable]
    if deprecated:
        fix = f"run `aws iot deprecate-thing-type --thing-type-name {name} --undo-deprecate`"
        yield Finding(what, "it is deprecated: no thing can be created", fix)
    elif missing:
        yield Finding(what, f"it is not searchable by {' and '.join(missing)}", "choose another thing_type_name")
    else:
        yield Finding(what, f"searchable by {', '.join(searchable)}")


def _things_stack(stack: AppliedStack, _now: float) -> Findings:
    answer = stack.functions.ask(f"{stack.name}-configure", {"resource": "diagnosis"})
    yield from (Finding(**each) for each in answer["findings"])
    if answer.get("role_arn"):
        yield _role(stack, answer)


def _role(stack: AppliedStack, answer: Mapping[str, Any]) -> Finding:
    name = str(answer["role_arn"]).rpartition("/")[2]
    what, wanted = f"role {name}", answer.get("external_id")
    external_ids = Roles(stack.clients).external_ids(name)
    if external_ids is None:
        return Finding(what, "it does not exist: The Things Stack can't publish", _APPLY)
    if wanted not in external_ids:
        return Finding(what, "it asks for another external id than The Things Stack shows", _APPLY)
    return Finding(what, "The Things Stack may assume it")


def _traffic(stack: AppliedStack, now: float) -> Findings:
    last = stack.logs.last_entry(function_log_group(f"{stack.name}-upstream"))
    if last is None:
        yield Finding("messages", "none has been handled yet")
    else:
        long = " (long ago: is that usual for these devices?)" if now - last > QUIET else ""
        yield Finding("messages", f"the last one was handled {_ago(now - last)} ago{long}")


def _comparison(stack: AppliedStack, now: float) -> Findings:
    if stack.functions.health(f"{stack.name}-sync") is None:
        yield Finding("comparison", "not part of this stack (registry_sync)")
        return
    group = function_log_group(f"{stack.name}-sync")
    runs = [
        each
        for each in stack.logs.entries(group, now - USUAL_RUNS, "synchronised")
        if each.get("event") == "synchronised"
    ]
    if not runs:
        yield Finding("comparison", "none has ended within an hour")
        return
    last = runs[-1]
    if failed := int(last.get("Failed", 0)):
        fix = f"`thingbridge things list --failed --stack {stack.name}` says why"
        yield Finding("comparison", f"{count(failed, 'thing')} can't become a device", fix)
    elif refused := int(last.get("Refused", 0)):
        fix = f"run `thingbridge sync --stack {stack.name} --dry-run`, which names the devices it would delete"
        yield Finding("comparison", f"it refused {count(refused, 'deletion')}, because there were too many", fix)
    else:
        yield Finding("comparison", f"the last one found {count(int(last.get('InStep', 0)), 'pair')} in step")


def _failures(stack: AppliedStack, _now: float) -> Findings:
    faults = 0
    for each in queues.of_stack(stack):
        if waiting := each.queue.waiting():
            faults += 1
            fix = f"run `thingbridge failures list {each.name} --stack {stack.name}`"
            yield Finding(f"queue {each.name}", f"{count(waiting, 'message')} failed", fix)
    if not faults:
        yield Finding("queues of failures", "empty")


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return count(int(seconds // size), unit)
    return count(max(0, int(seconds)), "second")


def must_be_well(findings: list[Finding]) -> None:
    """Raise Failed, naming the first fault, unless everything is as it should be."""
    faults = [each for each in findings if each.fix]
    if faults:
        first = faults[0]
        raise Failed(f"{count(len(faults), 'fault')}, first of all {first.what}: {first.found}")
