"""Stacks of one account never share a name, whatever they are called: each would change what the other one created.

`inventories/names.json` has the names of everything that a stack can create, by stack and type: of `farm`, of `farm-b`,
which begins like it, and of `Farm`. UPDATE_INVENTORIES=1 writes it again, under SOAK=1.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.conftest import MOCKED

# One worker, with those of the other files: the plans take longer than all tests of them.
pytestmark = pytest.mark.xdist_group("plans")

Names = dict[str, dict[str, list[str]]]

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).parent / "inventories" / "names.json"
INVENTORY: Names = json.loads(FILE.read_text())
# Attribute that is the name, where it is another one than `name`.
NAMED_BY = {
    "aws_cloudwatch_dashboard": "dashboard_name",
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_lambda_function": "function_name",
    "aws_lambda_layer_version": "layer_name",
}
# Unique within their role, function, queue or topic, or without a name.
WITHIN_ANOTHER = {
    "aws_iam_role_policy",
    "aws_kms_key",
    "aws_lambda_event_source_mapping",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_function_recursion_config",
    "aws_lambda_function_url",
    "aws_lambda_invocation",
    "aws_lambda_permission",
    "aws_secretsmanager_secret_version",
    "aws_sns_topic_policy",
    "aws_sns_topic_subscription",
}
# An account has one.
OF_THE_ACCOUNT = {"aws_iot_indexing_configuration"}
# IAM does not distinguish names by case (API reference, CreateRole).
WITHOUT_CASE = {"aws_iam_role"}


@pytest.mark.soak
def test_the_inventory_has_the_names_of_everything_that_stacks_create(
    tree: Path, terraform: Callable[..., Any]
) -> None:
    test = f"-test-directory={MOCKED}"
    terraform(tree, "init", "-no-color", test)
    done = terraform(tree, "test", "-json", "-verbose", f"-filter={MOCKED}/names.tftest.hcl", test)
    (planned,) = [event["test_plan"] for line in done.stdout.splitlines() if "test_plan" in (event := json.loads(line))]
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for resource in planned["resource_changes"]:
        kind = resource["type"]
        if resource["mode"] == "managed" and kind.startswith("aws_") and kind not in WITHIN_ANOTHER | OF_THE_ACCOUNT:
            stack = re.match(r'module\.stack\["(.+?)"\]', resource["address"])
            assert stack
            # The role of the package has a random name, which is not known when planning.
            if name := resource["change"]["after"].get(NAMED_BY.get(kind, "name")):
                found[stack[1]][kind].append(name)
    names = {stack: {kind: sorted(of[kind]) for kind in sorted(of)} for stack, of in sorted(found.items())}
    if os.environ.get("UPDATE_INVENTORIES"):
        FILE.write_text(json.dumps(names, indent=2) + "\n")
    assert names == json.loads(FILE.read_text()), (
        "if this is intended: SOAK=1 UPDATE_INVENTORIES=1 pytest tests/terraform"
    )


def test_every_type_of_resource_in_the_modules_is_in_the_inventory() -> None:
    files = [*ROOT.glob("*.tf"), *ROOT.glob("modules/*/*.tf")]
    types = {each for file in files for each in re.findall(r'^resource "(aws_\w+)"', file.read_text(), re.MULTILINE)}
    assert types == {kind for of in INVENTORY.values() for kind in of} | WITHIN_ANOTHER | OF_THE_ACCOUNT


def test_stacks_with_similar_names_share_no_name() -> None:
    owners: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for stack, kind, name in named():
        owners[kind, name.lower() if kind in WITHOUT_CASE else name].append(stack)
    assert {name: stacks for name, stacks in owners.items() if len(stacks) > 1} == {}


def test_no_name_of_a_stack_is_that_of_a_stack_whose_name_is_longer() -> None:
    """What follows the name of the stack in one name never ends with what follows it in another one of that type.

    Otherwise, with x between them, a stack and the one whose name is followed by x would have that name in common.
    """
    endings: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for stack, kind, name in named():
        before, found, after = name.partition(stack if stack in name else stack.replace("-", "_"))
        assert found, f"{kind} {name}: does not name its stack"
        assert re.fullmatch(r"(/.*/|alias/)?", before), f"{kind} {name}: begins with what may be part of a stack's name"
        # A topic rule, and so its role, has "_" in the place of "-".
        is_rule = kind == "aws_iot_topic_rule" or "-rule-" in name
        endings[kind, before].add(after.replace("_", "-") if is_rule else after)
    collisions = [
        (kind, longer, shorter)
        for (kind, _), found in endings.items()
        for longer, shorter in permutations(found, 2)
        if longer.endswith(shorter) and re.fullmatch(r"[A-Za-z0-9-]+", longer.removesuffix(shorter))
    ]
    assert collisions == []


def named() -> Iterator[tuple[str, str, str]]:
    """Stack, type and name of everything in the inventory."""
    for stack, types in INVENTORY.items():
        for kind, names in types.items():
            for name in names:
                yield stack, kind, name
