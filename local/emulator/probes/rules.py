"""Topic rules: the actions, and the part of the rule SQL that this project uses."""

from __future__ import annotations

import base64
import json

from local.emulator.probes.account import Account
from local.emulator.probes.probe import Probe, expect

ECHO = "answer = lambda event: event"


def rule_to_function(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    function = account.reporter(ECHO, queue)
    sql = f"SELECT topic() AS topic, encode(*, 'base64') AS payload FROM '{topic}/+'"
    account.rule(sql, {"lambda": {"functionArn": function.arn}})
    account.publish(f"{topic}/a", b"\xff{")
    event = json.loads(account.received(queue)[0])
    expect(event == {"topic": f"{topic}/a", "payload": base64.b64encode(b"\xff{").decode()}, event)


def rule_to_queue(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    account.rule(f"SELECT * FROM '{topic}/#'", account.to_queue(queue))
    account.publish(f"{topic}/a/b", '{"n": 1}')
    body = json.loads(account.received(queue)[0])
    expect(body == {"n": 1}, body)


def rule_with_defined_field(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    account.rule(f"SELECT * FROM '{topic}' WHERE NOT isUndefined(state.wanted)", account.to_queue(queue))
    account.publish(topic, '{"state": {"other": 1}}')
    account.publish(topic, '{"state": {"wanted": 2}}')
    bodies = [json.loads(body) for body in account.received(queue)]
    expect(bodies == [{"state": {"wanted": 2}}], bodies)


def rule_with_topic_segment(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    account.rule(f"SELECT n, topic(2) AS part FROM '{topic}/+/end'", account.to_queue(queue))
    account.publish(f"{topic}/middle/end", '{"n": 1, "m": 2}')
    body = json.loads(account.received(queue)[0])
    expect(body == {"n": 1, "part": "middle"}, body)


def rule_that_republishes(account: Account) -> None:
    source, target = account.name(), account.name()
    role = account.role(
        {"Service": "iot.amazonaws.com"},
        {"Effect": "Allow", "Action": "iot:Publish", "Resource": account.arn("iot", f"topic/{target}")},
    )
    account.rule(f"SELECT * FROM '{source}'", {"republish": {"topic": target, "roleArn": role, "qos": 1}})
    with account.aws.mqtt(account.name()) as connection:
        connection.subscribe(target)
        account.publish(source, '{"n": 1}')
        body = connection.wait_for(target).json()
    expect(body == {"n": 1}, body)


def rule_by_basic_ingest(account: Account) -> None:
    topic, queue, others = account.name(), account.queue(), account.queue()
    rule = account.rule(f"SELECT n, topic() AS topic, topic(1) AS first FROM '{topic}/#'", account.to_queue(queue))
    account.rule(f"SELECT * FROM '{topic}/#'", account.to_queue(others))
    account.publish(f"$aws/rules/{rule}/{topic}/a", '{"n": 1}')
    body = json.loads(account.received(queue)[0])
    expect(body == {"n": 1, "topic": f"{topic}/a", "first": topic}, body)
    account.publish(f"{topic}/b", '{"n": 2}')
    bodies = [json.loads(each) for each in account.received(others)]
    expect(bodies == [{"n": 2}], bodies)


def rule_with_error_action(account: Account) -> None:
    topic, errors, gone = account.name(), account.queue(), account.queue()
    account.rule(f"SELECT * FROM '{topic}'", account.to_queue(gone), account.to_queue(errors))
    account.client("sqs").delete_queue(QueueUrl=gone.url)
    account.publish(topic, '{"n": 1}')
    envelope = json.loads(account.received(errors)[0])
    original = base64.b64decode(envelope["base64OriginalPayload"])
    expect((envelope["topic"], json.loads(original)) == (topic, {"n": 1}), envelope)


def rule_with_function_for_errors(account: Account) -> None:
    topic, seen, gone = account.name(), account.queue(), account.queue()
    function = account.reporter(ECHO, seen)
    account.rule(f"SELECT n FROM '{topic}'", account.to_queue(gone), {"lambda": {"functionArn": function.arn}})
    account.client("sqs").delete_queue(QueueUrl=gone.url)
    account.publish(topic, '{"n": 1, "key": 2}')
    envelope = json.loads(account.received(seen)[0])
    original = json.loads(base64.b64decode(envelope["base64OriginalPayload"]))
    expect((envelope["topic"], original) == (topic, {"n": 1, "key": 2}), envelope)


PROBES = (
    Probe(
        "A rule passes topic() and encode(*, 'base64') of a payload that is not text to a function", rule_to_function
    ),
    Probe("A rule sends a message to an SQS queue", rule_to_queue),
    Probe("WHERE NOT isUndefined(a.b) selects the messages that have the field", rule_with_defined_field),
    Probe("SELECT takes fields, topic(n) and aliases", rule_with_topic_segment),
    Probe("A rule republishes on another topic", rule_that_republishes),
    Probe("Basic Ingest starts the named rule alone, which sees the topic without the prefix", rule_by_basic_ingest),
    Probe("A failed action hands the topic and the original payload to the error action", rule_with_error_action),
    Probe(
        "The error action invokes a function, with fields that the rule does not select", rule_with_function_for_errors
    ),
)
