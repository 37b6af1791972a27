"""Two stacks in one account: what the roles of one may not do to the other, and whom a service may act for.

Every role's policies are evaluated by this AWS: a user gets all of them at once. What one account's stacks share, the
things with their shadows and `lorawan/#`, no policy can divide: the code does, by the attribute `stackName`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from local.aws import ROOT_ACCOUNT, LocalAws
from tests.e2e.conftest import Bridge
from tests.sizes import size

REFUSED: Final = ("AccessDenied", "AccessDeniedException", "ForbiddenException", "AuthorizationError")
NOBODY: Final = "attacker"

Call = Callable[[], object]


@dataclass(frozen=True)
class Attacker:
    """A user with all rights of all roles of one stack, and the keys to use them."""

    aws: LocalAws
    access_key: str
    secret_key: str

    def client(self, service: str) -> Any:
        return self.aws.client(service, aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key)


def document(policy: Any) -> dict[str, Any]:
    return dict(json.loads(policy) if isinstance(policy, str) else policy)


def statements(policy: Any) -> list[dict[str, Any]]:
    found = document(policy)["Statement"]
    return found if isinstance(found, list) else [found]


def roles(aws: LocalAws, stack_name: str) -> list[dict[str, Any]]:
    """The roles of a stack: those of its functions, rules and schedules."""
    pages = aws.client("iam").get_paginator("list_roles").paginate().search("Roles[]")
    return [each for each in pages if each["RoleName"].startswith((f"{stack_name}-", f"{stack_name}_"))]


def policies(aws: LocalAws, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    iam = aws.client("iam")
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield f"{role}-{name}", document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


@pytest.fixture(params=size(["orchard"], ["orchard", "Vault"]))
def attack(request: pytest.FixtureRequest, orchard: Bridge, vault: Bridge) -> Iterator[tuple[Attacker, Bridge, Bridge]]:
    """Somebody who has got hold of every role of one stack: that stack, and the other one."""
    own, other = (orchard, vault) if request.param == "orchard" else (vault, orchard)
    aws, iam = own.aws, own.aws.client("iam")
    iam.create_user(UserName=NOBODY)
    held = [each for role in roles(aws, own.name) for each in policies(aws, role["RoleName"])]
    assert len(held) > 10
    for name, policy in held:
        iam.put_user_policy(UserName=NOBODY, PolicyName=name, PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=NOBODY)["AccessKey"]
    yield Attacker(aws, key["AccessKeyId"], key["SecretAccessKey"]), own, other
    iam.delete_access_key(UserName=NOBODY, AccessKeyId=key["AccessKeyId"])
    for name, _ in held:
        iam.delete_user_policy(UserName=NOBODY, PolicyName=name)
    iam.delete_user(UserName=NOBODY)


def names(client: Any, operation: str, query: str, stack_name: str) -> list[str]:
    pages = client.get_paginator(operation).paginate().search(query)
    return [each for each in pages if f"{stack_name}-" in each or f"{stack_name}/" in each]


def calls(attacker: Attacker, stack: Bridge) -> Iterator[tuple[str, Call]]:
    """What somebody would try on everything that is a stack's own."""
    aws, name = stack.aws, stack.name
    data, sqs, tables = attacker.client("iot-data"), attacker.client("sqs"), attacker.client("dynamodb")
    secrets, functions, logs, ssm = (attacker.client(each) for each in ("secretsmanager", "lambda", "logs", "ssm"))
    for queue, url in stack.outputs["queue_urls"].items():
        if url:
            yield f"receive from {queue}", partial(sqs.receive_message, QueueUrl=url, VisibilityTimeout=0)
            yield f"send to {queue}", partial(sqs.send_message, QueueUrl=url, MessageBody="forged")
            yield f"purge {queue}", partial(sqs.purge_queue, QueueUrl=url)
    for table in names(aws.client("dynamodb"), "list_tables", "TableNames[]", name):
        schema = aws.client("dynamodb").describe_table(TableName=table)["Table"]["KeySchema"]
        key = {each["AttributeName"]: {"S": "forged"} for each in schema}
        yield f"read {table}", partial(tables.get_item, TableName=table, Key=key)
        yield f"write {table}", partial(tables.put_item, TableName=table, Item=key)
        yield f"remove from {table}", partial(tables.delete_item, TableName=table, Key=key)
        yield f"list {table}", partial(tables.scan, TableName=table, Limit=1)
    for secret in names(aws.client("secretsmanager"), "list_secrets", "SecretList[].Name", name):
        yield f"read {secret}", partial(secrets.get_secret_value, SecretId=secret)
        yield f"change {secret}", partial(secrets.put_secret_value, SecretId=secret, SecretString="x")
    for function in filter(None, stack.outputs["function_names"].values()):
        group = f"/aws/lambda/{function}"
        yield f"invoke {function}", partial(functions.invoke, FunctionName=function, Payload=b"{}")
        yield f"change {function}", partial(functions.update_function_configuration, FunctionName=function, Timeout=1)
        yield f"forge {group}", partial(logs.create_log_stream, logGroupName=group, logStreamName="forged")
    things, record = stack.outputs["things_log_group_name"], f"/thethings/lorawan/{name}/configure/record/integration"
    yield "forge the log of things", partial(logs.create_log_stream, logGroupName=things, logStreamName="forged")
    yield "read the log of things", partial(logs.get_log_events, logGroupName=things, logStreamName="unidentified")
    yield "read the settings", partial(ssm.get_parameter, Name=record)
    yield "change the settings", partial(ssm.put_parameter, Name=record, Value="{}", Overwrite=True)
    for topic in (f"thethings/lorawan/{name}/uplink", f"$aws/rules/{name}_upstream/thethings/lorawan/{name}/uplink"):
        yield f"publish on {topic}", partial(data.publish, topic=topic, qos=1, payload=b"{}")


def refused(call: Call) -> bool:
    """Whether AWS refuses a call for want of a right. Any other error is raised: it proves nothing."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in REFUSED:
            raise
        return True
    return False


def test_all_roles_of_a_stack_together_reach_nothing_that_is_another_stacks_own(
    attack: tuple[Attacker, Bridge, Bridge],
) -> None:
    attacker, own, other = attack
    # The same rights do reach what is their own: a user without any would be refused as well.
    arn = own.aws.client("secretsmanager").describe_secret(SecretId=f"{own.name}/ApplicationAPIKey")["ARN"]
    attacker.client("secretsmanager").get_secret_value(SecretId=arn)
    attacker.client("sqs").receive_message(QueueUrl=own.outputs["queue_urls"]["registry"], VisibilityTimeout=0)
    tried = dict(calls(attacker, other))
    assert len(tried) > 60
    assert [what for what, call in tried.items() if not refused(call)] == []


def test_no_role_can_give_itself_or_another_role_more(attack: tuple[Attacker, Bridge, Bridge]) -> None:
    attacker, own, other = attack
    iam, sts = attacker.client("iam"), attacker.client("sts")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    for each in (roles(own.aws, own.name)[0], roles(own.aws, other.name)[0]):
        name = each["RoleName"]
        assert refused(partial(iam.put_role_policy, RoleName=name, PolicyName="x", PolicyDocument=policy))
        assert refused(partial(iam.update_assume_role_policy, RoleName=name, PolicyDocument=policy))
        assert refused(partial(sts.assume_role, RoleArn=each["Arn"], RoleSessionName="forged"))
    assert refused(partial(iam.create_access_key, UserName=NOBODY))


# The confused deputy: a service that acts for somebody else --------------------------------------------------------


def conditions(statement: Mapping[str, Any]) -> dict[str, str]:
    """The values of a statement's conditions by their keys in lower case."""
    found = statement.get("Condition") or {}
    return {name.lower(): value for tests in found.values() for name, value in tests.items()}


SOURCES: Final = {
    "iot.amazonaws.com": "arn:aws:iot:eu-west-1:{account}:",
    "scheduler.amazonaws.com": "arn:aws:scheduler:eu-west-1:{account}:schedule-group/",
}
"""What may act with a role or invoke a function, by service: of the stack's account and region."""


def test_a_service_assumes_a_role_for_this_account_alone(orchard: Bridge, vault: Bridge) -> None:
    for bridge in (orchard, vault):
        for role in roles(bridge.aws, bridge.name):
            for statement in statements(role["AssumeRolePolicyDocument"]):
                service, found = statement["Principal"]["Service"], conditions(statement)
                if service == "lambda.amazonaws.com":
                    # AWS passes a role to functions of its own account alone (iam:PassRole), and states no source.
                    continue
                assert found["aws:sourceaccount"] == ROOT_ACCOUNT, role["RoleName"]
                if role["RoleName"] == f"{bridge.name}-fleet-{bridge.aws.region}":
                    # AWS IoT assumes it for the provisioning of devices, and states no source.
                    continue
                assert found["aws:sourcearn"].startswith(SOURCES[service].format(account=ROOT_ACCOUNT)), role[
                    "RoleName"
                ]


def test_a_function_is_invoked_for_a_resource_of_its_own_stack_alone_or_through_its_url(
    orchard: Bridge, vault: Bridge
) -> None:
    for bridge in (orchard, vault):
        functions, invoked = bridge.aws.client("lambda"), 0
        for function in filter(None, bridge.outputs["function_names"].values()):
            try:
                policy = functions.get_policy(FunctionName=function)["Policy"]
            except functions.exceptions.ResourceNotFoundException:
                continue
            for statement in statements(policy):
                found, invoked = conditions(statement), invoked + 1
                if statement["Principal"] == "*":
                    assert function == f"{bridge.name}-webhook"
                    through_url = "lambda:functionurlauthtype", "lambda:invokedviafunctionurl"
                    assert any(each in found for each in through_url), statement
                    continue
                assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
                assert found["aws:sourceaccount"] == ROOT_ACCOUNT
                source = found["aws:sourcearn"].rpartition("/")[2]
                assert source.startswith((f"{bridge.name}_", f"{bridge.name}-")), statement
        assert invoked > 2


def test_no_queue_secret_or_topic_has_a_policy_for_strangers(orchard: Bridge, vault: Bridge) -> None:
    aws = orchard.aws
    for bridge in (orchard, vault):
        for url in filter(None, bridge.outputs["queue_urls"].values()):
            found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
            assert not found.get("Attributes"), url
        for secret in names(aws.client("secretsmanager"), "list_secrets", "SecretList[].Name", bridge.name):
            assert not aws.client("secretsmanager").get_resource_policy(SecretId=secret).get("ResourcePolicy"), secret
    sns = aws.client("sns")
    for topic in sns.list_topics()["Topics"]:
        for statement in statements(sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]["Policy"]):
            found = conditions(statement)
            assert ROOT_ACCOUNT in (found.get("aws:sourceowner"), found.get("aws:sourceaccount")), topic
