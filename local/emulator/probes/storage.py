"""What keeps data: DynamoDB, Secrets Manager and CloudWatch Logs."""

from __future__ import annotations

import json
import time
from typing import Any

from local.emulator.probes.account import Account, allow
from local.emulator.probes.probe import Probe, expect, refused


def table(account: Account) -> str:
    dynamodb, name = account.client("dynamodb"), account.name()
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


def conditional_update(account: Account) -> None:
    dynamodb, name = account.client("dynamodb"), table(account)
    request: dict[str, Any] = {
        "TableName": name,
        "Key": {"key": {"S": "k"}},
        "UpdateExpression": "SET revision = :new",
        "ConditionExpression": "attribute_not_exists(revision) OR revision = :known",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    values = [{":new": {"N": "1"}, ":known": {"N": "0"}}, {":new": {"N": "2"}, ":known": {"N": "1"}}]
    for each in values:
        dynamodb.update_item(**request, ExpressionAttributeValues=each)
    try:
        dynamodb.update_item(**request, ExpressionAttributeValues=values[0])
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        item = error.response.get("Item")
        expect(item == {"key": {"S": "k"}, "revision": {"N": "2"}}, item)
        return
    raise AssertionError("a condition that does not hold was accepted")


def returned_values(account: Account) -> None:
    dynamodb, name = account.client("dynamodb"), table(account)
    request: dict[str, Any] = {
        "TableName": name,
        "Key": {"key": {"S": "k"}},
        "UpdateExpression": "ADD next_value :five",
        "ExpressionAttributeValues": {":five": {"N": "5"}},
        "ReturnValues": "UPDATED_NEW",
    }
    for expected in ("5", "10"):
        attributes = dynamodb.update_item(**request)["Attributes"]
        expect(attributes == {"next_value": {"N": expected}}, attributes)


def rule_to_table_and_stream(account: Account) -> None:
    dynamodb, name, topic, queue = account.client("dynamodb"), account.name(), account.name(), account.queue()
    keys = (("thing", "HASH"), ("id", "RANGE"))
    made = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]
    reads = [f"dynamodb:{each}" for each in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")]
    role = account.role({"Service": "iot.amazonaws.com"}, allow("dynamodb:PutItem", made["TableArn"]))
    function = account.reporter(
        "answer = lambda event: [each['dynamodb'] for each in event['Records']]",
        queue,
        allow(reads, f"{made['TableArn']}/stream/*"),
    )
    account.client("lambda").create_event_source_mapping(
        EventSourceArn=made["LatestStreamArn"],
        FunctionName=function.name,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]},
    )
    sql = f"SELECT topic(2) AS thing, newuuid() AS id, timestamp() AS at, encode(*, 'base64') AS body FROM '{topic}/+'"
    account.rule(sql, {"dynamoDBv2": {"roleArn": role, "putItem": {"tableName": name}}})
    account.publish(f"{topic}/a", b"\xff")
    (record,) = json.loads(account.received(queue)[0])
    expect((set(record["Keys"]), "NewImage" in record) == ({"thing", "id"}, False), record)
    query = {"KeyConditionExpression": "thing = :thing", "ExpressionAttributeValues": {":thing": {"S": "a"}}}
    (item,) = dynamodb.query(TableName=name, **query)["Items"]
    expect({key: list(value) for key, value in item.items()}
           == {"thing": ["S"], "id": ["S"], "at": ["N"], "body": ["S"]}, item)  # fmt: skip
    dynamodb.delete_item(TableName=name, Key={key: item[key] for key, _ in keys})
    later = account.received(queue, wait=2)
    expect(later == [], later)


def secret_versions(account: Account) -> None:
    secrets, name = account.client("secretsmanager"), account.name()
    arn = secrets.create_secret(Name=name, SecretString="first")["ARN"]
    secrets.put_secret_value(SecretId=arn, SecretString="second")
    previous = secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")["SecretString"]
    current = secrets.get_secret_value(SecretId=arn)["SecretString"]
    expect((previous, current) == ("first", "second"), (previous, current))
    refused(lambda: secrets.get_secret_value(SecretId="not-there"), "ResourceNotFoundException")


def log_streams(account: Account) -> None:
    logs, group = account.client("logs"), account.name()
    logs.create_log_group(logGroupName=group)
    entry = {"timestamp": int(1000 * time.time()), "message": "1"}
    stream = {"logGroupName": group, "logStreamName": "s"}
    refused(lambda: logs.put_log_events(**stream, logEvents=[entry]), "ResourceNotFoundException")
    logs.create_log_stream(**stream)
    refused(lambda: logs.create_log_stream(**stream), "ResourceAlreadyExistsException")
    for message in ("1", "2"):
        logs.put_log_events(**stream, logEvents=[{**entry, "message": message}])
    events = logs.get_log_events(**stream, startFromHead=True)["events"]
    expect([event["message"] for event in events] == ["1", "2"], events)


PROBES = (
    Probe(
        "DynamoDB refuses an update whose condition does not hold, and returns the item as it is", conditional_update
    ),
    Probe("DynamoDB adds to a number and returns it", returned_values),
    Probe(
        "A rule writes a row of a table, and its stream invokes a function with the keys of new rows alone",
        rule_to_table_and_stream,
    ),
    Probe("A secret has a current and a previous version", secret_versions),
    Probe("CloudWatch Logs takes entries of a stream that exists, without a sequence token", log_streams),
)
