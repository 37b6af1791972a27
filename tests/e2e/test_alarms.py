"""Alarms and the dashboard of an applied stack: they watch what there is, and a fault reaches who is to know of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.polling import eventually


@pytest.fixture
def alarms(farm: Bridge) -> dict[str, dict[str, Any]]:
    """Name → alarm of the stack."""
    pages = farm.aws.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{farm.name}-")
    return {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}


@pytest.fixture
def notified(farm: Bridge) -> Iterator[str]:
    """URL of a queue that is subscribed to the topic of the stack's alarms, as a user's is."""
    sqs, sns = farm.aws.client("sqs"), farm.aws.client("sns")
    url = sqs.create_queue(QueueName="on-call")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = farm.outputs["observability"]["alarm_topic_arn"]
    from_topic = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [from_topic]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    yield url
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=url)


def test_an_alarm_that_fires_is_notified_with_what_to_do(
    farm: Bridge, alarms: dict[str, dict[str, Any]], notified: str
) -> None:
    name = f"{farm.name}-upstream-failures"
    assert alarms[name]["AlarmActions"] == [farm.outputs["observability"]["alarm_topic_arn"]]
    cloudwatch, sqs = farm.aws.client("cloudwatch"), farm.aws.client("sqs")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a message failed")

    (message,) = eventually(
        "the notification", lambda: sqs.receive_message(QueueUrl=notified).get("Messages"), PATIENCE
    )
    notification = json.loads(json.loads(message["Body"])["Message"])
    assert notification["AlarmName"] == name
    assert notification["AlarmDescription"].endswith(" docs/alarms.md#messages-that-failed")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="it was replayed")


def test_each_queue_of_failures_has_an_alarm(farm: Bridge, alarms: dict[str, dict[str, Any]]) -> None:
    watched = {
        each["Value"] for alarm in alarms.values() for each in alarm["Dimensions"] if each["Name"] == "QueueName"
    }
    failures = {url.rpartition("/")[2] for name, url in farm.outputs["queue_urls"].items() if url and "_" in name}
    assert failures
    assert failures <= watched


def test_the_dashboard_shows_functions_and_queues_that_there_are(
    farm: Bridge, alarms: dict[str, dict[str, Any]]
) -> None:
    dashboard = farm.aws.client("cloudwatch").get_dashboard(
        DashboardName=farm.outputs["observability"]["dashboard"]["name"]
    )
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    (states,) = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
    assert {arn.rpartition(":")[2] for arn in states} == set(alarms)
    shown: dict[str, set[str]] = {}
    for widget in widgets:
        for row in widget["properties"].get("metrics", []):
            if len(row) == 4:
                shown.setdefault(row[2], set()).add(row[3])
    functions = {name for name in farm.outputs["function_names"].values() if name} - {f"{farm.name}-configure"}
    assert shown["FunctionName"] == functions
    assert shown["QueueName"] == {url.rpartition("/")[2] for url in farm.outputs["queue_urls"].values() if url}
