"""The emulated account as probes use it: short ways to make a role, a function, a queue or a rule of its own."""

from __future__ import annotations

import io
import itertools
import json
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.aws import LocalAws, functions

ACCOUNT_ID = "000000000000"
ANYWHERE = "*"

_serial = itertools.count(1)


@dataclass(frozen=True)
class Queue:
    """An SQS queue."""

    url: str
    arn: str


@dataclass(frozen=True)
class Function:
    """A Lambda function."""

    name: str
    arn: str


def allow(action: str | list[str], resource: str | list[str] = ANYWHERE) -> dict[str, Any]:
    """A statement of a policy."""
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def policy(*statements: Mapping[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def archive(files: Mapping[str, str]) -> bytes:
    """A zip of text files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, text in files.items():
            made.writestr(name, textwrap.dedent(text))
    return buffer.getvalue()


class Account:
    """An emulated AWS account. What is made in it stays until the emulator is stopped."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client, as root unless other credentials are given."""
        return self.aws.client(service, **options)

    def name(self, prefix: str = "probe") -> str:
        """A name that nothing else has."""
        return f"{prefix}{next(_serial)}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in this account and region."""
        return f"arn:aws:{service}:{self.aws.region}:{ACCOUNT_ID}:{resource}"

    def role(self, principal: Mapping[str, str], *statements: Mapping[str, Any], condition: Any = None) -> str:
        """A role that `principal` may assume; returns its ARN."""
        iam, name = self.client("iam"), self.name()
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        trust |= {"Condition": condition} if condition else {}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="probe", PolicyDocument=policy(*statements))
        return str(arn)

    def user(self, *statements: Mapping[str, Any]) -> dict[str, str]:
        """A user with these rights; returns its credentials as options of `client`."""
        iam, name = self.client("iam"), self.name()
        iam.create_user(UserName=name)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="probe", PolicyDocument=policy(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def function(
        self,
        code: str | Mapping[str, str],
        *statements: Mapping[str, Any],
        variables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Function:
        """A function of this Python code (`main.py`, or several files), with `handler(event, context)`."""
        name = self.name()
        files = {"main.py": code} if isinstance(code, str) else code
        made = self.client("lambda").create_function(
            FunctionName=name,
            Runtime=functions()["runtime"],
            Architectures=[functions()["architecture"]],
            Handler="main.handler",
            Timeout=20,
            Role=self.role({"Service": "lambda.amazonaws.com"}, *statements),
            Code={"ZipFile": archive(files)},
            Environment={"Variables": dict(variables or {})},
            **options,
        )
        return Function(name, str(made["FunctionArn"]))

    def reporter(self, code: str, queue: Queue, *statements: Mapping[str, Any], **options: Any) -> Function:
        """A function that sends what `answer(event)` in this code returns, as JSON, to the queue."""
        files = {
            "reported.py": code,
            "main.py": """
                import json, os, boto3, reported
                sqs = boto3.client("sqs")
                def handler(event, context):
                    body = json.dumps(reported.answer(event))
                    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=body)
            """,
        }
        sending = allow("sqs:SendMessage", queue.arn)
        return self.function(files, sending, *statements, variables={"QUEUE": queue.url}, **options)

    def invoke(self, function: Function, event: Any = None) -> Any:
        """What a function returns for this event. AssertionError when it fails."""
        answer = self.client("lambda").invoke(FunctionName=function.name, Payload=json.dumps(event).encode())
        result = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, f"the function failed: {result}"
        return result

    def queue(self, *, fifo: bool = False, **attributes: str) -> Queue:
        """A queue with these attributes."""
        sqs, name = self.client("sqs"), self.name()
        if fifo:
            name, attributes = f"{name}.fifo", {"FifoQueue": "true", **attributes}
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Queue(str(url), self.arn("sqs", name))

    def received(self, queue: Queue, wait: int = 10) -> list[str]:
        """The bodies of up to ten messages, deleted from the queue; waits up to `wait` seconds for the first."""
        sqs = self.client("sqs")
        answer = sqs.receive_message(QueueUrl=queue.url, WaitTimeSeconds=wait, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in answer.get("Messages", [])]

    def rule(self, sql: str, action: Mapping[str, Any], error_action: Mapping[str, Any] | None = None) -> None:
        """A topic rule with one action. A function gets the permission to be invoked by it."""
        name = self.name()
        payload: dict[str, Any] = {"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [action]}
        if error_action:
            payload["errorAction"] = error_action
        if "lambda" in action:
            self.client("lambda").add_permission(
                FunctionName=action["lambda"]["functionArn"],
                StatementId=name,
                Action="lambda:InvokeFunction",
                Principal="iot.amazonaws.com",
                SourceArn=self.arn("iot", f"rule/{name}"),
            )
        self.client("iot").create_topic_rule(ruleName=name, topicRulePayload=payload)

    def to_queue(self, queue: Queue) -> dict[str, Any]:
        """A rule's action that sends to a queue."""
        role = self.role({"Service": "iot.amazonaws.com"}, allow("sqs:SendMessage", queue.arn))
        return {"sqs": {"queueUrl": queue.url, "roleArn": role, "useBase64": False}}

    def publish(self, topic: str, payload: bytes | str) -> None:
        """Publish a message, as root."""
        self.client("iot-data").publish(topic=topic, qos=1, payload=payload)
