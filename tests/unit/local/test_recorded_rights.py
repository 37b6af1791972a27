"""What the local AWS records of rights: what was asked by whom and decided, and what services do with roles."""

import json
from typing import Any

import pytest

from local.aws import LocalAws
from local.emulator import iam
from local.emulator.probes.account import Account, allow
from local.emulator.rights import principal
from tests.e2e.polling import eventually


@pytest.fixture
def account(aws: LocalAws) -> Account:
    if not aws.records:
        pytest.skip("an AWS that was not started here records nothing")
    return Account(aws)


def recorded(account: Account, kind: str, **fields: Any) -> list[dict[str, Any]]:
    """The events of a kind with these fields."""
    assert account.aws.records
    events = [json.loads(line) for line in account.aws.records.read_text().splitlines()]
    return [each for each in events if each["kind"] == kind and fields.items() <= each.items()]


def test_a_call_is_recorded_once_with_who_made_it_and_whether_it_was_allowed(account: Account) -> None:
    queue = account.queue()
    sqs = account.client("sqs", **account.user(allow("sqs:SendMessage", queue.arn)))
    for body in ("one", "two"):
        sqs.send_message(QueueUrl=queue.url, MessageBody=body)
    with pytest.raises(sqs.exceptions.ClientError):
        sqs.purge_queue(QueueUrl=queue.url)
    calls = recorded(account, "call", resource=queue.arn)
    (user,) = {each["by"] for each in calls} - {"root"}
    assert [(each["action"], each["allowed"]) for each in calls if each["by"] == user] == [
        ("sqs:SendMessage", True),
        ("sqs:PurgeQueue", False),
    ]


def test_what_a_rule_does_with_its_role_is_recorded_although_it_is_not_checked(account: Account) -> None:
    queue, topic = account.queue(), account.name()
    allowed = account.to_queue(queue)
    refused = {"sqs": {**allowed["sqs"], "roleArn": account.role({"Service": "iot.amazonaws.com"})}}
    for action in (allowed, refused):
        account.rule(f"SELECT * FROM '{topic}'", action)  # noqa: S608
    account.publish(topic, "{}")
    calls = {each["by"]: each["allowed"] for each in recorded(account, "call", resource=queue.arn)}
    roles = [f"role/{action['sqs']['roleArn'].rpartition('/')[2]}" for action in (allowed, refused)]
    assert [calls[role] for role in roles] == [True, False]
    (policy,) = recorded(account, "policy", role=roles[0].removeprefix("role/"))
    assert policy["document"]["Statement"] == [allow("sqs:SendMessage", queue.arn)]


def test_what_lambda_does_with_the_role_of_a_function_is_recorded(account: Account) -> None:
    queue, lost = account.queue(), account.queue()
    reading = allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue.arn)
    function = account.function(FAILS_WITHOUT_RECORDS, reading, allow("sqs:SendMessage", lost.arn))
    functions = account.client("lambda")
    functions.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=function.name)
    functions.put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": lost.arn}},
    )
    functions.invoke(FunctionName=function.name, InvocationType="Event", Payload=b"{}")
    account.client("sqs").send_message(QueueUrl=queue.url, MessageBody="one")
    role = functions.get_function_configuration(FunctionName=function.name)["Role"].rpartition("/")[2]
    expected = {
        ("sqs:GetQueueAttributes", True),
        ("sqs:ReceiveMessage", True),
        ("sqs:DeleteMessage", True),
        ("sqs:SendMessage", True),
        ("logs:CreateLogStream", False),
        ("logs:PutLogEvents", False),
    }

    def seen() -> bool:
        calls = recorded(account, "call", by=f"role/{role}")
        return {(each["action"], each["allowed"]) for each in calls} == expected

    eventually("the calls of Lambda", seen)


FAILS_WITHOUT_RECORDS = "def handler(event, context):\n    event['Records']"


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:sts::111122223333:assumed-role/farm-upstream/session", "role/farm-upstream"),
        ("arn:aws:iam::111122223333:role/farm-upstream", "role/farm-upstream"),
        ("arn:aws:iam::111122223333:role/farms/one/farm-upstream", "role/farm-upstream"),
        ("arn:aws:iam::111122223333:user/applier", "user/applier"),
        ("arn:aws:iam::111122223333:root", "root"),
    ],
)
def test_a_session_is_its_role(arn: str, expected: str) -> None:
    assert principal(arn) == expected


@pytest.mark.parametrize(
    ("action", "path", "body", "expected"),
    [
        ("iot:AttachPolicy", "/target-policies/p", b'{"target": "arn:aws:iot:r:1:cert/c"}', "arn:aws:iot:r:1:cert/c"),
        ("iot:ListTargetsForPolicy", "/policy-targets/p", b"", "arn:aws:iot:r:1:policy/p"),
        ("lambda:CreateFunction", "/2015-03-31/functions", b'{"FunctionName": "f"}', "arn:aws:lambda:r:1:function:f"),
        ("cloudwatch:DescribeAlarms", "/", b'{"AlarmNames": ["a"]}', "arn:aws:cloudwatch:r:1:alarm:a"),
        ("cloudwatch:DescribeAlarms", "/", b"", "arn:aws:cloudwatch:r:1:alarm:*"),
        ("iot:ListThings", "/things", b"not JSON", "*"),
    ],
)
def test_a_request_is_checked_on_what_it_names(action: str, path: str, body: bytes, expected: str) -> None:
    assert iam.resource(action, path, body, {}, "r", "1") == expected


def test_entries_are_checked_on_their_log_stream_and_an_alias_on_its_key() -> None:
    group = "arn:aws:logs:r:1:log-group:/things"
    put = {"x-amz-target": "Logs_20140328.PutLogEvents"}
    assert iam.narrower(group, put, b'{"logStreamName": "a"}') == f"{group}:log-stream:a"
    assert iam.narrower(group, {"x-amz-target": "Logs_20140328.CreateLogStream"}, b"{}") == group
    alias = "arn:aws:kms:r:1:alias/farm"
    assert (
        iam.narrower(alias, {"x-amz-target": "TrentService.DescribeKey"}, b"{}") == "arn:aws:kms:r:1:key/of-alias/farm"
    )
    assert iam.narrower(alias, {"x-amz-target": "TrentService.DeleteAlias"}, b"{}") == alias
