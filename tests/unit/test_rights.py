"""Rights beside calls (tests/rights): each kind of finding, from policies and calls as they are recorded."""

from typing import Any

import pytest

from tests.rights import comparison
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
