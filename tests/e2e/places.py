"""Where a secret could be left behind: everything that an account, its stacks and the command line show, as text.

Things are no such place: whoever writes a key into a thing can read it there, until `scrub_keys` removes it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.aws import LocalAws
from tests.e2e.conftest import Bridge


def pages(client: Any, operation: str, field: str, **given: Any) -> Iterator[Any]:
    """All items of a listing."""
    for page in client.get_paginator(operation).paginate(**given):
        yield from page[field]


def logged(aws: LocalAws) -> Iterator[str]:
    """Every line of every log."""
    logs = aws.client("logs")
    for group in pages(logs, "describe_log_groups", "logGroups"):
        for event in pages(logs, "filter_log_events", "events", logGroupName=group["logGroupName"]):
            yield event["message"]


def rows(aws: LocalAws) -> Iterator[str]:
    """Every row of every table."""
    tables = aws.client("dynamodb")
    for table in pages(tables, "list_tables", "TableNames"):
        yield from map(str, pages(tables, "scan", "Items", TableName=table))


def settings(aws: LocalAws) -> Iterator[str]:
    """How functions, parameters, rules and stacks of CloudFormation are configured, and the secrets without values."""
    for each in pages(aws.client("lambda"), "list_functions", "Functions"):
        yield json.dumps(each, default=str)
    yield from map(str, pages(aws.client("ssm"), "get_parameters_by_path", "Parameters", Path="/", Recursive=True))
    iot, templates = aws.client("iot"), aws.client("cloudformation")
    for rule in iot.list_topic_rules()["rules"]:
        yield str(iot.get_topic_rule(ruleName=rule["ruleName"])["rule"])
    for stack in pages(templates, "describe_stacks", "Stacks"):
        yield f"{stack} {templates.get_template(StackName=stack['StackName'])['TemplateBody']}"
    yield from map(str, pages(aws.client("secretsmanager"), "list_secrets", "SecretList"))


def shadows(aws: LocalAws, names: Iterator[str] | list[str]) -> Iterator[str]:
    """The classic shadow and the shadow `lorawan` of these things, as far as they exist."""
    data = aws.client("iot-data")
    for name in names:
        for which in ({}, {"shadowName": "lorawan"}):
            try:
                yield data.get_thing_shadow(thingName=name, **which)["payload"].read().decode()
            except data.exceptions.ResourceNotFoundException:
                continue


def failed(bridge: Bridge) -> Iterator[str]:
    """The first messages of each queue of failures; the other queues are being worked on."""
    sqs = bridge.aws.client("sqs")
    for name in bridge.dead_letters():
        url = bridge.outputs["queue_urls"][name]
        for each in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", []):
            yield each["Body"]


def written(directory: Path) -> Iterator[str]:
    """The files that Terraform wrote, without modules and providers: configuration and state."""
    for path in directory.iterdir():
        if path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")
