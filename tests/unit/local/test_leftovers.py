"""Applying on an emulator of somebody's own, a response of which was lost: cleaned up and applied once more."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local import leftovers
from local.aws import LocalAws
from local.processes import Running
from local.stack import TerraformError
from tests.documents import ROOT

NAMES: dict[str, dict[str, list[str]]] = json.loads((ROOT / "tests/terraform/inventories/names.json").read_text())


class Stack:
    """A stack whose applies fail with what is given, one after the other."""

    def __init__(self, *failures: str) -> None:
        self.inputs = {"stack_name": "farm"}
        self.failures = list(failures)
        self.did: list[str] = []

    def apply(self, _on_progress: Any = None) -> float:
        self.did.append("apply")
        if self.failures:
            raise TerraformError("apply", [self.failures.pop(0)])
        return 1.0

    def destroy(self) -> float:
        self.did.append("destroy")
        return 1.0


def create_observability(aws: LocalAws) -> None:
    """An alarm, a dashboard, a topic and a key, by the names of the stack `farm`."""
    cloudwatch, kms = aws.client("cloudwatch"), aws.client("kms")
    cloudwatch.put_metric_alarm(
        AlarmName="farm-upstream-errors",
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    cloudwatch.put_dashboard(DashboardName="farm-thingbridge", DashboardBody='{"widgets": []}')
    aws.client("sns").create_topic(Name="farm-alarms")
    kms.create_alias(AliasName="alias/farm-alarms", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])


def test_what_an_apply_created_without_recording_it_is_removed_and_the_apply_repeated(
    aws: LocalAws, tmp_path: Path
) -> None:
    somebodys = LocalAws.attach(aws.endpoint_url, tmp_path)
    logs, sqs = aws.client("logs"), aws.client("sqs")
    for name in ("/aws/lambda/farm-upstream", "/aws/lambda/farmhouse-upstream"):
        logs.create_log_group(logGroupName=name)
    sqs.create_queue(QueueName="farm-registry")
    create_observability(aws)
    stack: Any = Stack("CreateLogGroup: ResourceAlreadyExistsException: already exists")
    names = {name for name, _ in leftovers.left_behind(aws, "farm")}
    assert names >= {"farm-upstream-errors", "farm-thingbridge", "farm-alarms", "alias/farm-alarms"}
    assert leftovers.apply(stack, somebodys) == 1.0
    assert stack.did == ["apply", "destroy", "apply"]
    assert leftovers.left_behind(aws, "farm") == []
    assert [name for name, _ in leftovers.left_behind(aws, "farmhouse")] == ["/aws/lambda/farmhouse-upstream"]


def test_a_stack_in_the_aws_that_was_started_here_loses_nothing(aws: LocalAws, tmp_path: Path) -> None:
    started_here = LocalAws.attach(aws.endpoint_url, tmp_path, process=Running("AWS", 0, "", ""))
    aws.client("logs").create_log_group(logGroupName="/aws/lambda/farm-kept")
    stack = Stack("already exists")
    with pytest.raises(TerraformError):
        leftovers.apply(stack, started_here)  # type: ignore[arg-type]
    assert stack.did == ["apply"]
    for name, remove in leftovers.left_behind(aws, "farm"):
        assert name == "/aws/lambda/farm-kept"
        remove()


@pytest.mark.parametrize("failures", [("no rights",), ("already exists", "already exists")])
def test_another_failure_and_a_second_one_are_raised(aws: LocalAws, failures: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(TerraformError):
        leftovers.apply(Stack(*failures), LocalAws.attach(aws.endpoint_url, tmp_path))  # type: ignore[arg-type]


def test_everything_that_a_stack_creates_is_known() -> None:
    files = [*ROOT.glob("*.tf"), *ROOT.glob("modules/*/*.tf")]
    types = {each for file in files for each in re.findall(r'^resource "(aws_\w+)"', file.read_text(), re.MULTILINE)}
    assert types == leftovers.KINDS.keys() | leftovers.REMOVED_WITH_ANOTHER | leftovers.LEFT_ON_PURPOSE


@pytest.mark.parametrize("stack", NAMES)
def test_every_name_of_a_stack_is_known(stack: str) -> None:
    for kind, names in NAMES[stack].items():
        assert kind in leftovers.KINDS
        assert [name for name in names if not leftovers.is_of(name, stack)] == []


def test_what_devices_need_is_removed_and_what_another_stack_or_every_stack_has_stays(aws: LocalAws) -> None:
    iot, topics, queues = aws.client("iot"), aws.client("sns"), aws.client("sqs")
    for thing_type in ("left:temperature", "left-over:temperature", "lorawan-left"):
        iot.create_thing_type(thingTypeName=thing_type)
    iot.create_thing_group(thingGroupName="left:devices")
    iot.create_thing_group(thingGroupName="left:type:temperature", parentGroupName="left:devices")
    topics.create_topic(Name="left-alerts")
    aws.client("logs").create_log_group(logGroupName="/thethings/lorawan/left-over/things")
    queues.create_queue(QueueName="left-over-registry")
    others = [name for name, _ in leftovers.left_behind(aws, "left-over")]
    assert sorted(others) == ["/thethings/lorawan/left-over/things", "left-over-registry", "left-over:temperature"]
    found = leftovers.left_behind(aws, "left")
    assert [name for name, _ in found] == [
        *("left:type:temperature", "left:devices", "left:temperature", "left-alerts"),
    ]
    for _, remove in found:
        remove()
    assert leftovers.left_behind(aws, "left") == []
    assert [name for name, _ in leftovers.left_behind(aws, "left-over")] == others
    for _, remove in leftovers.left_behind(aws, "left-over"):
        remove()
    iot.describe_thing_type(thingTypeName="lorawan-left")
