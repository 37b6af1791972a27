"""The provider `aws_iot` against an AWS that enforces IAM: messages arrive with the right role only."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from local.aws import LocalAws
from local.things_stack import ThingsStack, foreign_account_credentials, profiles
from tests.unit.things_stack_simulation.conftest import APP, Client

REGION, STACK, EXTERNAL_ID, STACK_ACCOUNT = "eu-west-1", "demo", "aPG2xSvz", "678672909819"
CUSTOMER = "000000000000"
BASE = f"thethings/lorawan/{STACK}"


between_polls = threading.Event()


def eventually(condition: Callable[[], Any], within: float = 10) -> Any:
    deadline = time.monotonic() + within
    while not (result := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        between_polls.wait(0.02)
    return result


@dataclass(frozen=True)
class Aws:
    url: str
    queue_url: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.url, aws_access_key_id="test", aws_secret_access_key="test"
        )

    def received(self) -> list[dict[str, str]]:
        """The messages that arrived since the last call; waits up to a second for the first."""
        answer = self.client("sqs").receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            self.client("sqs").delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def allowed(*statements: tuple[list[str], list[str]]) -> str:
    documents = [{"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": documents})


def trusted(principal: dict[str, str], condition: dict[str, Any] | None = None) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, "Condition": condition or {}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def set_up(url: str) -> Aws:
    """Sets up the customer's account: the role that The Things Stack assumes, and a rule that sends messages to a
    queue."""
    aws = Aws(url, "")
    iam, sqs = aws.client("iam"), aws.client("sqs")
    iot = f"arn:aws:iot:{REGION}:{CUSTOMER}"
    account = {"AWS": f"arn:aws:iam::{STACK_ACCOUNT}:root"}
    condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    iam.create_role(RoleName="things-stack", AssumeRolePolicyDocument=trusted(account, condition))
    iam.put_role_policy(RoleName="things-stack", PolicyName="iot", PolicyDocument=allowed(
        (["iot:DescribeEndpoint"], ["*"]), (["iot:Connect"], [f"{iot}:client/thethings-{STACK}-*"]),
        (["iot:Publish", "iot:Receive"], [f"{iot}:topic/{BASE}/*"]),
        (["iot:Subscribe"], [f"{iot}:topicfilter/{BASE}/downlink/push", f"{iot}:topicfilter/{BASE}/downlink/replace"]),
    ))  # fmt: skip
    queue_url = sqs.create_queue(QueueName="arrived")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    iam.create_role(RoleName="rule", AssumeRolePolicyDocument=trusted({"Service": "iot.amazonaws.com"}))
    iam.put_role_policy(RoleName="rule", PolicyName="sqs", PolicyDocument=allowed((["sqs:SendMessage"], [queue])))
    action = {"queueUrl": queue_url, "roleArn": f"arn:aws:iam::{CUSTOMER}:role/rule", "useBase64": False}
    sql = f"SELECT topic() AS topic, encode(*, 'base64') AS payload FROM '{BASE}/#'"  # noqa: S608 - no database
    rule = {"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [{"sqs": action}]}
    aws.client("iot").create_topic_rule(ruleName="arrived", topicRulePayload=rule)
    return Aws(url, queue_url)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as running:
        yield set_up(running.endpoint_url)


@pytest.fixture
def stack(aws: Aws) -> Iterator[ThingsStack]:
    access = foreign_account_credentials(aws.url, STACK_ACCOUNT)
    with ThingsStack(aws=access, profile=profiles.HOSTED) as simulation:
        simulation.create_application(APP)
        simulation.register_device(APP, device_id="tank-7", dev_eui="A81758FFFE0312AB")
        yield simulation


def configure(simulation: ThingsStack, external_id: str, stack_name: str = STACK) -> Client:
    client = Client(simulation, simulation.create_api_key(APP))
    role = {"arn": f"arn:aws:iam::{CUSTOMER}:role/things-stack", "external_id": external_id}
    provider = {"region": REGION, "assume_role": role, "default": {"stack_name": stack_name}}
    body = {"pubsub": {"format": "json", "aws_iot": provider}, "field_mask": {"paths": ["format", "provider.aws_iot"]}}
    client.json("PUT", f"/as/pubsub/{APP}/aws-iot", body)
    return client


def test_with_role_and_external_id_messages_arrive_unchanged_and_downlinks_are_received(
    aws: Aws, stack: ThingsStack
) -> None:
    client = configure(stack, EXTERNAL_ID)
    status = stack.integrations.wait(APP, "aws-iot")
    assert (status.state, status.reason) == ("connected", "")
    join = stack.network.join(APP, "tank-7")
    stack.network.publish_raw(APP, "uplink", b"\xff\x00 no json")
    arrived: list[dict[str, str]] = []
    eventually(lambda: arrived.extend(aws.received()) or len(arrived) == 2)
    by_topic = {message["topic"]: base64.b64decode(message["payload"]) for message in arrived}
    assert by_topic == {f"{BASE}/join": join.body, f"{BASE}/uplink": b"\xff\x00 no json"}

    def ask(operation: str, *downlinks: dict[str, Any]) -> None:
        request = {
            "end_device_ids": {"device_id": "tank-7", "application_ids": {"application_id": APP}},
            "downlinks": downlinks,
        }
        aws.client("iot-data").publish(topic=f"{BASE}/downlink/{operation}", qos=1, payload=json.dumps(request))

    ask("push", {"f_port": 1, "frm_payload": "AQ=="})
    assert eventually(lambda: stack.network.queue(APP, "tank-7"))[0]["frm_payload"] == "AQ=="
    ask("replace")
    eventually(lambda: not stack.network.queue(APP, "tank-7"))
    ask("push", {"f_port": 1})
    assert "no_payload" in eventually(lambda: status.refused_downlinks)[0]
    assert client.json("DELETE", f"/as/pubsub/{APP}/aws-iot") == {}
    assert status.state == "stopped"
    stack.assert_no_violations()


@pytest.mark.parametrize(
    ("external_id", "stack_name", "reason"),
    [("another", STACK, "sts:AssumeRole"), (EXTERNAL_ID, "foreign", "as thethings-foreign-")],
)
def test_messages_that_the_role_does_not_allow_are_not_delivered_and_the_status_says_why(
    aws: Aws, stack: ThingsStack, external_id: str, stack_name: str, reason: str
) -> None:
    aws.client("sqs").purge_queue(QueueUrl=aws.queue_url)
    configure(stack, external_id, stack_name)
    status = stack.integrations.wait(APP, "aws-iot")
    assert status.state == "failed"
    assert reason in status.reason
    stack.network.join(APP, "tank-7")
    assert (status.delivered, status.undelivered) == (0, 1)
    assert aws.received() == []


def test_it_reconnects_once_the_role_is_fixed(aws: Aws, stack: ThingsStack) -> None:
    iam = aws.client("iam")
    account = {"AWS": f"arn:aws:iam::{STACK_ACCOUNT}:root"}
    configure(stack, "later")
    assert stack.integrations.wait(APP, "aws-iot").state == "failed"
    try:
        condition = {"StringEquals": {"sts:ExternalId": "later"}}
        iam.update_assume_role_policy(RoleName="things-stack", PolicyDocument=trusted(account, condition))
        assert stack.integrations.wait(APP, "aws-iot", until="connected").state == "connected"
    finally:
        condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
        iam.update_assume_role_policy(RoleName="things-stack", PolicyDocument=trusted(account, condition))
