"""`make e2e-account`: the account that it refuses, what its clean-up leaves alone, and the whole of it on a local AWS.

The local AWS stands for an account here: the suite finds it as it finds any, by the environment's settings.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import leftovers
from local.aws import ROOT_ACCOUNT, LocalAws, functions
from local.leftovers import Resource
from local.things_stack import AwsAccess, ThingsStack
from tests.account import removal
from tests.account.run import RUNS, Account, Unusable
from tests.conftest import ON_ACCOUNT
from tests.documents import ROOT
from tests.e2e.conftest import Bridge

RUN, STACK = "0a1b2c3d", "e2e-0a1b2c3d"
MINE = {removal.TAG: RUN}


@pytest.fixture
def settings(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a person whose credentials lead to the local AWS."""
    for name, value in aws.settings().items():
        monkeypatch.setenv(name, value)
    return {**aws.settings(), "THINGBRIDGE_ACCOUNT": ROOT_ACCOUNT}


def test_an_account_that_is_not_the_one_named_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(Unusable, match=f"is 111122223333, but the credentials lead to the account {ROOT_ACCOUNT}"):
        Account.named({**settings, "THINGBRIDGE_ACCOUNT": "111122223333"})
    with pytest.raises(Unusable, match='must be the 12 digits .*; got ""'):
        Account.named({**settings, "THINGBRIDGE_ACCOUNT": ""})
    assert Account.named(settings).region == settings["AWS_REGION"]


def tagged(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def create(aws: LocalAws, stack_name: str, tags: dict[str, str]) -> None:
    """Some of what a stack has, in each of the ways in which it is proven whose it is."""
    iot, sqs = aws.client("iot"), aws.client("sqs")
    trust = {"Version": "2012-10-17", "Statement": []}
    aws.client("iam").create_role(
        RoleName=f"{stack_name}-upstream", AssumeRolePolicyDocument=json.dumps(trust), Tags=tagged(tags)
    )
    sqs.create_queue(QueueName=f"{stack_name}-registry", tags=tags)
    aws.client("logs").create_log_group(logGroupName=f"/thethings/lorawan/{stack_name}/things", tags=tags)
    aws.client("ssm").put_parameter(
        Name=f"/thethings/lorawan/{stack_name}/record", Value="1", Type="String", Tags=tagged(tags)
    )
    type_name = f"{stack_name}-lorawan"
    iot.create_thing_type(thingTypeName=type_name)
    iot.create_thing(
        thingName=f"thing-of-{stack_name}", thingTypeName=type_name,
        attributePayload={"attributes": {"stackName": stack_name}},
    )  # fmt: skip


def names(aws: LocalAws, stack_name: str, run: str = RUN, started: float | None = None) -> dict[str, str]:
    """What is found of a stack, and why it is not removed."""
    found = removal.found(aws, stack_name, run, time.time() if started is None else started)
    return {each.what.rpartition(" ")[2]: each.why_not for each in found}


OTHERS = {f"{STACK}e": {removal.TAG: "0a1b2c3de"}, f"{STACK}-farm": {}}
"""A stack whose name begins with the same letters, and one below the name of the run's: their tags."""


def test_the_clean_up_removes_what_is_its_own_and_nothing_of_the_stacks_beside_it(aws: LocalAws) -> None:
    for name, tags in {STACK: MINE, **OTHERS}.items():
        create(aws, name, tags)
    own = removal.found(aws, STACK, RUN, time.time())
    assert [each.why_not for each in own] == [""] * 6
    assert removal.remove(own) == []
    assert names(aws, STACK) == {}
    for name in OTHERS:
        left = removal.found(aws, name, RUN, time.time())
        assert len(left) == 6
        for each in left:
            each.remove()


def test_what_is_only_named_like_it_stays_with_the_reason(aws: LocalAws) -> None:
    sqs = aws.client("sqs")
    urls = [
        sqs.create_queue(QueueName=f"{STACK}-{name}", tags=tags)["QueueUrl"]
        for name, tags in (("untagged", {}), ("of-another", {removal.TAG: "other"}), ("older", MINE))
    ]
    later = time.time() + 3600
    reasons = names(aws, STACK)
    assert reasons[f"{STACK}-untagged"] == f"it has no tag {removal.TAG}"
    assert reasons[f"{STACK}-of-another"] == f"its tag {removal.TAG} is other"
    assert names(aws, STACK, started=later)[f"{STACK}-older"].startswith("it is older than the run: ")
    assert removal.remove(removal.found(aws, STACK, RUN, later)) == []
    assert len(names(aws, STACK)) == 3
    for url in urls:
        sqs.delete_queue(QueueUrl=url)


def test_of_everything_that_a_stack_has_it_can_be_told_whose_it_is(orchard: Bridge) -> None:
    found = removal.found(orchard.aws, orchard.name, RUN, time.time())
    of_kinds: dict[str, set[str]] = {}
    for each in found:
        of_kinds.setdefault(each.what.partition(" ")[0], set()).add(each.why_not)
    assert {"aws_lambda_function", "aws_dynamodb_table", "aws_iot_provisioning_template"} <= of_kinds.keys()
    tagged_kinds = {kind for kind, proof in removal.PROOFS.items() if proof.tags}
    assert {kind: why for kind, why in of_kinds.items() if kind in tagged_kinds and "" in why} == {}


def test_for_every_kind_of_resource_there_is_a_proof() -> None:
    assert removal.PROOFS.keys() == leftovers.KINDS.keys()


class Unreleased:
    """A client of AWS IoT that deletes a thing type only the third time."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def deprecate_thing_type(self, **_: str) -> None:
        self.calls.append("deprecate")

    def delete_thing_type(self, **_: str) -> None:
        self.calls.append("delete")
        if self.calls.count("delete") < 3:
            raise ClientError({"Error": {"Code": "InvalidRequestException"}}, "DeleteThingType")


def test_a_thing_type_is_deprecated_once_and_deleted_when_aws_has_released_it() -> None:
    client, waited = Unreleased(), []
    each = Resource("aws_iot_thing_type", f"{STACK}-lorawan", client, {"thingTypeName": f"{STACK}-lorawan"})
    removal.remove_released(each, sleep=waited.append)
    assert (client.calls, waited) == (["deprecate", "delete", "delete", "delete"], [10, 10])


@pytest.fixture
def named_things_stack(foreign: AwsAccess) -> Iterator[ThingsStack]:
    with ThingsStack(profile="open-source", aws=foreign) as running:
        yield running


def e2e_account(settings: dict[str, str], *arguments: str, **more: str) -> tuple[int, str]:
    """The exit code and the output of `make e2e-account` or of its clean-up."""
    kept = {name: value for name, value in os.environ.items() if name != ON_ACCOUNT}
    command = [sys.executable, "-m", "tests.account", *arguments]
    run = subprocess.run(command, cwd=ROOT, env={**kept, **settings, **more}, text=True, capture_output=True,
                         check=False)  # fmt: skip
    return run.returncode, run.stdout + run.stderr


@pytest.mark.soak
def test_the_suite_plays_on_an_account_and_leaves_nothing(
    aws: LocalAws, settings: dict[str, str], named_things_stack: ThingsStack
) -> None:
    def everything() -> dict[str, Any]:
        clients = aws.client
        return {
            "things": [each["thingName"] for each in clients("iot").list_things()["things"]],
            "queues": clients("sqs").list_queues().get("QueueUrls", []),
            "roles": [each["RoleName"] for each in clients("iam").list_roles()["Roles"]],
        }

    before = everything()
    code, output = e2e_account(
        settings,
        TTS_URL=named_things_stack.url,
        TTS_API_KEY=named_things_stack.create_user_api_key("owner"),
        TTS_GATEWAY_ADDRESS=named_things_stack.gateway_server.address,
        THINGBRIDGE_INPUTS=json.dumps({"functions": functions()}),
    )
    assert code == 0, output
    assert "0 broken" in output
    assert everything() == before
    assert e2e_account(settings, "clean") == (0, "No run has left anything here.\n")


def test_runs_are_kept_where_git_does_not_look() -> None:
    assert RUNS.is_relative_to(ROOT / ".local")
    ignored = (Path(ROOT) / ".gitignore").read_text().split()
    assert any(each.strip("/") == ".local" for each in ignored)
