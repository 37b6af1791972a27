"""Rights beside calls (tests/rights): each kind of finding, from policies and calls as they are recorded."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import applier
from tests.rights import after_the_tests, comparison
from tests.rights.accepted import ACCEPTED, Accepted, Found, Right
from tests.rights.comparison import Finding, covers

IOT = "arn:aws:iot:eu-west-1:111122223333"
ROLE = {"kind": "role", "role": "farm-upstream-eu-west-1", "description": "Role of the function farm-upstream"}


def policy(*statements: dict[str, Any], role: str = "farm-upstream-eu-west-1") -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
    return {"kind": "policy", "role": role, "policy": "rights", "document": document}


def call(
    action: str, resource: str, *, by: str = "role/farm-upstream-eu-west-1", allowed: bool = True
) -> dict[str, Any]:
    return {"kind": "call", "by": by, "action": action, "resource": resource, "allowed": allowed}


def found(*events: dict[str, Any], stacks: Any = ("farm",), applier: Any = ()) -> set[Finding]:
    return comparison.findings(comparison.principals(events, dict.fromkeys(stacks, applier)))


def keep_shadows(*resources: str) -> dict[str, Any]:
    return {
        "Sid": "KeepShadows",
        "Action": ["iot:GetThingShadow", "iot:UpdateThingShadow"],
        "Resource": list(resources),
    }


GET, UPDATE = (
    call(f"iot:{each}ThingShadow", f"{IOT}:thing/{thing}") for each, thing in (("Get", "a"), ("Update", "b"))
)


def test_nothing_is_found_where_all_that_is_granted_is_used() -> None:
    assert found(ROLE, policy(keep_shadows(f"{IOT}:thing/*")), GET, UPDATE) == set()


def test_a_right_that_is_never_used_is_named_with_its_role_and_statement() -> None:
    (finding,) = found(ROLE, policy(keep_shadows(f"{IOT}:thing/*")), GET, call("iot:GetThingShadow", f"{IOT}:thing/b"))
    assert str(finding) == ("function upstream, statement KeepShadows: iot:UpdateThingShadow is granted and never used")


def test_a_right_that_one_stack_uses_is_used() -> None:
    other = {**ROLE, "role": "Farm-1", "description": "Role of the function Farm-upstream"}
    shadows = keep_shadows(f"{IOT}:thing/*")
    events = (ROLE, other, policy(shadows), policy(shadows, role="Farm-1"), GET, {**UPDATE, "by": "role/Farm-1"})
    assert found(*events, stacks=("farm", "Farm")) == set()
    # Of a stack that nobody has applied as its user, nothing is known.
    assert "iot:UpdateThingShadow" in {each.right for each in found(*events)}


def test_of_several_resources_one_that_is_never_reached_is_named() -> None:
    topics = [f"{IOT}:topic/lorawan/farm/a", f"{IOT}:topic/lorawan/farm/b"]
    statement = {"Sid": "Publish", "Action": "iot:Publish", "Resource": topics}
    assert found(ROLE, policy(statement), call("iot:Publish", topics[0])) == {
        Finding("function upstream", "Publish", "iot:topic/lorawan/<stack>/b", comparison.UNREACHED)
    }


def test_a_wildcard_that_reached_one_resource_in_all_stacks_is_wider_than_used() -> None:
    events = [
        event
        for stack in ("farm", "Farm")
        for event in (
            {"kind": "role", "role": stack, "description": f"Role of the schedule {stack}-sync"},
            policy({"Sid": "Tick", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:x:1:{stack}-*"}, role=stack),
            call("sqs:SendMessage", f"arn:aws:sqs:x:1:{stack}-sync.fifo", by=f"role/{stack}"),
        )
    ]
    expected = Finding("schedule sync", "Tick", "sqs:<stack>-*", comparison.WIDE)
    assert found(*events, stacks=("farm", "Farm")) == {expected}
    elsewhere = call("sqs:SendMessage", "arn:aws:sqs:x:1:farm-other", by="role/farm")
    assert found(*events, elsewhere, stacks=("farm", "Farm")) == set()


def test_a_right_on_everything_that_is_used_on_a_name_is_named() -> None:
    events = (ROLE, policy({"Sid": "Find", "Action": "iot:DescribeThing", "Resource": "*"}))
    by_name = call("iot:DescribeThing", f"{IOT}:thing/a")
    assert {str(each) for each in found(*events, by_name)} == {
        "function upstream, statement Find: iot:DescribeThing is granted on * and used on resources with names"
    }
    narrower = policy({"Sid": "Look", "Action": "iot:DescribeThing", "Resource": f"{IOT}:thing/a"})
    assert found(*events, narrower, by_name) == set()
    assert found(*events, call("iot:DescribeThing", "*")) == set()


def test_a_refused_call_and_one_that_is_not_checked_are_named() -> None:
    refused = call("sqs:SendMessage", "arn:aws:sqs:x:1:farm-failures", allowed=False)
    unchecked = {"kind": "unchecked", "by": "role/farm-upstream-eu-west-1", "operation": "iot GET /somewhere"}
    assert {str(each) for each in found(ROLE, policy(keep_shadows("*")), refused, unchecked)} >= {
        "function upstream, statement -: sqs:SendMessage on sqs:<stack>-failures is missing: a call was refused",
        "function upstream, statement -: iot GET /somewhere is not checked by the local AWS",
    }


def test_who_applies_is_compared_as_well() -> None:
    document = {"Statement": [{"Effect": "Allow", "Sid": "Queues", "Action": ["sqs:A", "sqs:B"], "Resource": "*"}]}
    by_the_applier = call("sqs:A", "*", by="user/applier-farm")
    assert found(by_the_applier, applier=[document]) == {Finding("applier", "Queues", "sqs:B", comparison.UNUSED)}
    assert comparison.stack_names([by_the_applier, GET]) == {"farm"}


@pytest.mark.parametrize(
    ("description", "role"),
    [
        ("Role of the topic rule field_north_shadow", "rule shadow"),
        ("Role of the function field-north-sync", "function sync"),
        ("Assumed by The Things Stack to exchange messages of the stack field-north", "The Things Stack"),
    ],
)
def test_a_role_is_called_by_what_it_is_for(description: str, role: str) -> None:
    principal = comparison.role(description, ["field", "field-north"])
    assert principal
    assert (principal.role, principal.stack) == (role, "field-north")
    assert comparison.role(description, ["orchard"]) is None
    assert principal.normalised("arn:aws:iot:x:1:rule/field_north_shadow") == "iot:rule/<stack>_shadow"


def test_wildcards_are_those_of_iam() -> None:
    assert covers("arn:aws:s:::secret:farm/Key-??????", "arn:aws:s:::secret:farm/Key-a1b2c3")
    assert not covers("arn:aws:s:::secret:farm/Key-??????", "arn:aws:s:::secret:farm/Key-a1")
    assert not covers("thing/[ab]", "thing/a")
    assert covers("iot:*", "iot:Publish")


# After the tests

SEND = Finding("rule shadow", "KeepFailedMessages", "sqs:SendMessage", comparison.UNUSED)


def faults(accepted: dict[Right, Found], *, soak: bool = False) -> list[str]:
    """What is wrong with one finding, and these rights accepted."""
    table = {right: Accepted(found, "a reason") for right, found in accepted.items()}
    return after_the_tests.faults({SEND}, table, soak=soak)


def test_a_finding_is_a_fault_unless_it_is_accepted() -> None:
    assert faults({}) == [str(SEND)]
    for found in Found:
        assert faults({("rule *", "KeepFailedMessages", "sqs:SendMessage"): found}) == []


def test_what_is_accepted_and_not_found_is_a_fault_unless_it_depends_on_the_run() -> None:
    known: Right = ("rule *", "KeepFailedMessages", "*")
    stale: Right = ("function sync", "StartRuns", "sqs:SendMessage")
    for found in (Found.ALWAYS, Found.WITHOUT_SOAK):
        (line,) = faults({known: Found.ALWAYS, stale: found})
        assert line.startswith("function sync, StartRuns, sqs:SendMessage: nothing is found")
    assert faults({known: Found.ALWAYS, stale: Found.SOMETIMES}) == []


def test_a_right_that_soak_uses_must_be_used_there() -> None:
    right: Right = ("rule shadow", "KeepFailedMessages", "sqs:SendMessage")
    assert faults({right: Found.WITHOUT_SOAK}, soak=True) == [str(SEND)]
    other: Right = ("function sync", "StartRuns", "sqs:SendMessage")
    assert faults({right: Found.ALWAYS, other: Found.WITHOUT_SOAK}, soak=True) == []


def test_every_reason_is_a_sentence() -> None:
    assert not [right for right, each in ACCEPTED.items() if len(each.reason.split()) < 4]


def config(*arguments: str, **options: Any) -> Any:
    return SimpleNamespace(args=list(arguments), option=SimpleNamespace(collectonly=False, **options))


@pytest.mark.parametrize(
    ("arguments", "options", "whole"),
    [
        (["tests"], {}, True),
        (["tests/e2e"], {"keyword": "", "markexpr": "", "deselect": None}, True),
        (["tests/unit", "tests/e2e"], {}, True),
        (["tests/unit"], {}, False),
        (["tests/e2e/test_alarms.py"], {}, False),
        (["tests/e2e/test_alarms.py::test_one"], {}, False),
        (["tests"], {"keyword": "alarms"}, False),
        (["tests"], {"lf": True}, False),
    ],
)
def test_only_a_run_of_all_end_to_end_tests_is_compared(
    arguments: list[str], options: dict[str, Any], whole: bool
) -> None:
    assert after_the_tests.whole_suite(config(*arguments, **options)) is whole


def finish(directory: Path, exitstatus: int) -> tuple[Any, list[str]]:
    """The status of a run that ended with this one, after the comparison of its records; what is reported."""
    ended, session = config("tests"), SimpleNamespace(exitstatus=exitstatus)
    ended._tmp_path_factory = SimpleNamespace(getbasetemp=lambda: directory)
    comparing = after_the_tests.AfterTheTests(ended)
    comparing.pytest_sessionfinish(session, exitstatus)  # type: ignore[arg-type]
    reported: list[str] = []
    reporter = SimpleNamespace(section=lambda *_, **__: None, write_line=reported.append)
    comparing.pytest_terminal_summary(reporter)  # type: ignore[arg-type]
    return session.exitstatus, reported


def test_a_run_that_passed_fails_by_the_name_of_a_right_that_no_worker_used(tmp_path: Path) -> None:
    by_the_applier = call("sts:GetCallerIdentity", "*", by=f"user/{applier.user_name('farm')}")
    shared = (by_the_applier, ROLE, policy(keep_shadows(f"{IOT}:thing/*")), GET)
    files = [tmp_path / worker / "aws0" / "records.jsonl" for worker in ("popen-gw0", "popen-gw1")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("".join(json.dumps(event) + "\n" for event in (*shared, {"kind": "request", "by": "root"})))
    unused = "function upstream, statement KeepShadows: iot:UpdateThingShadow is granted and never used"
    status, reported = finish(tmp_path, pytest.ExitCode.OK)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert unused in reported
    files[1].write_text(files[1].read_text() + json.dumps(UPDATE))
    assert unused not in finish(tmp_path, pytest.ExitCode.OK)[1]


def test_a_run_that_failed_or_recorded_nothing_is_not_compared(tmp_path: Path) -> None:
    assert finish(tmp_path, pytest.ExitCode.TESTS_FAILED) == (pytest.ExitCode.TESTS_FAILED, [])
    status, (line,) = finish(tmp_path, pytest.ExitCode.OK)
    assert status == pytest.ExitCode.OK
    assert line.startswith("not compared")
