"""Rights that are granted beside rights that are used: what roles have too much, and what they lack.

Pure: what was recorded goes in (local/emulator/rights.py writes it), findings come out. Which of them are accepted,
with their reasons, is in accepted.py; when the two are compared, in after_the_tests.py.

Stacks differ by their name, account and region alone. What they have in common is one right: a role is called by what
it is for, as "function upstream" or "rule shadow", and the name of the stack in a resource is <stack>.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

APPLIER = "applier"
KINDS_OF_ROLES = {
    "Role of the function ": "function",
    "Role of the topic rule ": "rule",
    "Role of the schedule ": "schedule",
    "Assumed by The Things Stack to exchange messages of the stack ": "The Things Stack",
    "Role in which AWS IoT provisions devices of the stack ": "provisioning",
}
"""How the description of a role begins, which ends with a name → what the role is."""


@dataclass(frozen=True, order=True)
class Finding:
    """A right of a role that is too much or missing. `right`: an action, or a resource as "service:resource"."""

    role: str
    statement: str
    right: str
    problem: str

    def __str__(self) -> str:
        return f"{self.role}, statement {self.statement}: {self.right} {self.problem}"


UNUSED = "is granted and never used"
UNREACHED = "is named and never reached"
WIDE = "is wider than used: in each stack, it reached the same one resource"
EVERYTHING = "is granted on * and used on resources with names"
DENIED = "is missing: a call was refused"
UNCHECKED = "is not checked by the local AWS"


@dataclass(frozen=True)
class Statement:
    """A statement of a policy that allows something."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def grants(self, action: str, resource: str) -> bool:
        return any(covers(each, action) for each in self.actions) and self.reaches(resource)

    def reaches(self, resource: str) -> bool:
        return any(covers(each, resource) for each in self.resources)


@dataclass
class Principal:
    """A role of a stack, or the user who applied it, with its statements and its calls (action, resource)."""

    role: str
    stack: str
    statements: set[Statement] = field(default_factory=set)
    calls: set[tuple[str, str]] = field(default_factory=set)
    refused: set[tuple[str, str]] = field(default_factory=set)
    unchecked: set[str] = field(default_factory=set)

    def normalised(self, resource: str) -> str:
        """A resource, or a pattern of one, as it is in each stack."""
        parts = resource.split(":", 5)
        plain = f"{parts[2]}:{parts[5]}" if len(parts) == 6 else resource
        # Secrets Manager ends the name with six characters of its own.
        plain = re.sub(r"^(secretsmanager:secret:.*)-[A-Za-z0-9]{6}$", r"\1-??????", plain)
        stack = "[-_]".join(re.escape(part) for part in self.stack.split("-"))
        return re.sub(rf"(?<![A-Za-z0-9]){stack}(?![A-Za-z0-9])", "<stack>", plain)


def findings(principals: Iterable[Principal]) -> set[Finding]:
    """What is granted too much, and what is missing, over all stacks."""
    granted = set[tuple[str, str, str]]()
    used = set[tuple[str, str, str]]()
    reached = defaultdict[tuple[str, str, str], dict[str, set[str]]](lambda: defaultdict(set))
    found = set[Finding]()
    for principal in principals:
        for statement in principal.statements:
            role, sid = principal.role, statement.sid
            calls = {(action, at) for action, at in principal.calls if statement.grants(action, at)}
            for action in statement.actions:
                granted.add((role, sid, action))
                if any(covers(action, each) for each, _ in calls):
                    used.add((role, sid, action))
            for resource in statement.resources:
                pattern = principal.normalised(resource)
                at = {principal.normalised(at) for _, at in calls if covers(resource, at)}
                reached[role, sid, pattern][principal.stack] |= at
        found |= set(_missing(principal)) | set(_on_everything(principal))
    found |= {Finding(*right, UNUSED) for right in granted - used}
    unused = {(role, sid) for role, sid, _ in granted} - {(role, sid) for role, sid, _ in used}
    for (role, sid, pattern), by_stack in reached.items():
        # Of a statement that is not used at all, its actions are named.
        if (role, sid) in unused or pattern == "*":
            continue
        resources = [each for each in by_stack.values() if each]
        if not resources:
            found.add(Finding(role, sid, pattern, UNREACHED))
        elif "*" in pattern and always_the_same(resources):
            found.add(Finding(role, sid, pattern, WIDE))
    return found


def always_the_same(resources: list[set[str]]) -> bool:
    """Whether each of several stacks reached one resource, and all of them the same; one stack proves nothing."""
    return len(resources) > 1 and len(set.union(*resources)) == 1


def _missing(principal: Principal) -> Iterator[Finding]:
    for action, resource in principal.refused:
        yield Finding(principal.role, "-", f"{action} on {principal.normalised(resource)}", DENIED)
    for operation in principal.unchecked:
        yield Finding(principal.role, "-", operation, UNCHECKED)


def _on_everything(principal: Principal) -> Iterator[Finding]:
    for action, resource in principal.calls:
        granting = [each for each in principal.statements if each.grants(action, resource)]
        if resource != "*" and granting and all("*" in each.resources for each in granting):
            for statement in granting:
                yield Finding(principal.role, statement.sid, action, EVERYTHING)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(each) or re.escape(each) for each in text), re.DOTALL)


def covers(pattern: str, value: str) -> bool:
    """Whether an action or a resource of a policy, with * and ?, covers this one (IAM user guide, "Wildcards")."""
    return pattern == value or bool(_pattern(pattern).fullmatch(value))


def statements(document: Mapping[str, Any]) -> Iterator[Statement]:
    """The statements of a policy that allow something."""
    for each in document["Statement"]:
        if each["Effect"] == "Allow":
            yield Statement(each.get("Sid", ""), _all(each["Action"]), _all(each["Resource"]))


def _all(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(sorted(value))


def principals(
    events: Iterable[Mapping[str, Any]], stacks: Mapping[str, Iterable[Mapping[str, Any]]]
) -> list[Principal]:
    """The roles of stacks, and who applied them, from what one local AWS has recorded.

    `stacks`: the name of each → the policies of the user who applied it, who is "user/applier-<name>".
    """
    known: dict[str, Principal] = {}
    for name, policies in stacks.items():
        applier = known[f"user/applier-{name}"] = Principal(APPLIER, name)
        applier.statements.update(each for policy in policies for each in statements(policy))
    for event in events:
        kind = event["kind"]
        if kind == "role" and (principal := role(event["description"], stacks)):
            known.setdefault(f"role/{event['role']}", principal)
        elif kind == "policy" and (principal := known.get(f"role/{event['role']}")):
            principal.statements.update(statements(event["document"]))
        elif kind == "call" and (principal := known.get(event["by"])):
            (principal.calls if event["allowed"] else principal.refused).add((event["action"], event["resource"]))
        elif kind == "unchecked" and (principal := known.get(event["by"])):
            principal.unchecked.add(event["operation"])
    return [each for each in known.values() if each.calls or each.statements]


def role(description: str, stacks: Iterable[str]) -> Principal | None:
    """The role with this description, without what it may do and did; None if it is of none of these stacks."""
    for beginning, kind in KINDS_OF_ROLES.items():
        name = description.removeprefix(beginning)
        if name == description:
            continue
        for stack in sorted(stacks, key=len, reverse=True):
            for written in (stack, stack.replace("-", "_")):
                if name == stack:
                    return Principal(kind, stack)
                if name.startswith((f"{written}-", f"{written}_")):
                    return Principal(f"{kind} {name[len(written) + 1 :]}", stack)
    return None


def stack_names(events: Iterable[Mapping[str, Any]]) -> set[str]:
    """The stacks that a user of theirs has applied."""
    callers = {event["by"] for event in events if event["kind"] == "call"}
    return {caller.removeprefix("user/applier-") for caller in callers if caller.startswith("user/applier-")}
