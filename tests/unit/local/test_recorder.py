"""What the local AWS records: each billed event once, and the caller sees no difference."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.aws import LocalAws
from local.emulator.probes.account import Account, allow
from tests.e2e.polling import eventually


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    directory = tmp_path_factory.mktemp("recording")
    with LocalAws(directory, records=directory / "records.jsonl") as aws:
        yield aws


def recorded(aws: LocalAws, **fields: Any) -> list[dict[str, Any]]:
    """The events with these fields."""
    assert aws.records
    events = [json.loads(line) for line in aws.records.read_text().splitlines()]
    return [event for event in events if fields.items() <= event.items()]


def test_a_request_to_a_table_is_made_once_and_recorded_with_its_units(recording: LocalAws) -> None:
    tables = recording.client("dynamodb")
    tables.create_table(
        TableName="states",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    answer = tables.put_item(TableName="states", Item={"thing": {"S": "tank-7"}, "state": {"S": "x" * 1500}})
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
    assert "ConsumedCapacity" not in answer
    (event,) = recorded(recording, operation="dynamodb:PutItem")
    assert (event["units"], event["by"]) == (2.0, "arn:aws:iam::000000000000:root")
    asked = tables.get_item(TableName="states", Key={"thing": {"S": "tank-7"}}, ReturnConsumedCapacity="TOTAL")
    with pytest.raises(tables.exceptions.ConditionalCheckFailedException):
        tables.put_item(TableName="states", Item={"thing": {"S": "x"}}, ConditionExpression="attribute_exists(thing)")
    assert [each.get("error") for each in recorded(recording, operation="dynamodb:PutItem")] == [
        None,
        "ConditionalCheckFailedException",
    ]
    assert asked["ConsumedCapacity"]["CapacityUnits"] == recorded(recording, operation="dynamodb:GetItem")[0]["units"]


def test_messages_are_recorded_by_the_way_that_they_came(recording: LocalAws) -> None:
    recording.client("iot-data").publish(topic="lorawan/x/uplink", qos=1, payload=b"over HTTPS")
    with recording.mqtt("a-client") as connection:
        connection.publish("lorawan/y/uplink", {"over": "MQTT"})
        (event,) = eventually("the message by MQTT", lambda: recorded(recording, kind="mqtt"))
    assert (event["topic"], event["client"]) == ("lorawan/y/uplink", "a-client")
    (event,) = recorded(recording, operation="iot:Publish")
    assert (event["path"], event["bytes"]) == ("/topics/lorawan/x/uplink", 10)


def test_a_rule_its_action_and_what_a_function_reads_from_its_queue_are_recorded(recording: LocalAws) -> None:
    account = Account(recording)
    queue = account.queue()
    account.rule("SELECT * FROM 'selected/+' WHERE level > 1", account.to_queue(queue))
    consume = allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue.arn)
    function = account.function("def handler(event, context):\n    print('handled')", consume)
    recording.client("lambda").create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=function.name)
    for level in (1, 2):
        account.publish("selected/x", json.dumps({"level": level}))
    assert len(recorded(recording, kind="rule")) == 2
    (action,) = recorded(recording, kind="action")
    assert action["action"] == "sqs"
    eventually("the message handled", lambda: recorded(recording, kind="mapping", operation="DeleteMessageBatch"))
    (received,) = recorded(recording, kind="mapping", operation="ReceiveMessage")
    assert (received["queue"].rpartition("/")[2], received["messages"]) == (queue.url.rpartition("/")[2], 1)
    (invocation,) = recorded(recording, kind="invocation")
    assert (invocation["function"], invocation["cold"], invocation["failed"]) == (function.name, True, False)


def test_a_refused_request_is_recorded_as_refused_and_entries_of_a_log_with_their_size(recording: LocalAws) -> None:
    with pytest.raises(recording.client("iot").exceptions.ResourceNotFoundException):
        recording.client("iot").describe_thing(thingName="nowhere")
    (event,) = recorded(recording, operation="iot:DescribeThing")
    assert event["status"] == 404
    logs = recording.client("logs")
    logs.create_log_group(logGroupName="things")
    logs.create_log_stream(logGroupName="things", logStreamName="tank-7")
    entries = [{"timestamp": int(time.time() * 1000), "message": text} for text in ("one", "zwölf")]
    logs.put_log_events(logGroupName="things", logStreamName="tank-7", logEvents=entries)
    (event,) = recorded(recording, operation="logs:PutLogEvents")
    assert (event["entries"], event["entry_bytes"]) == (2, 9)


def test_nothing_is_recorded_without_a_file(tmp_path: Path) -> None:
    assert LocalAws(tmp_path).records is None
