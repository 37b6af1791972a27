"""Lambda functions: what they see, how they fail, and how their events are queued (launcher.py)."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import boto3

from local.emulator.invocations import CONCURRENCY
from local.emulator.probes.account import Account, Queue, archive
from local.emulator.probes.probe import Probe, eventually, expect

BURST = 16

PACKAGES = """
    import importlib.util, boto3
    def handler(event, context):
        found = [name for name in event if importlib.util.find_spec(name)]
        return {"boto3": boto3.__version__, "found": found}
"""
SLOW = """
    import os, time
    def answer(event):
        time.sleep(0.2)
        return {"n": event["n"], "process": os.getpid()}
"""


def runtime_packages(account: Account) -> None:
    function = account.function({"main.py": PACKAGES, "in_the_zip.py": ""})
    answer = account.invoke(function, ["requests", "cryptography", "ministack", "local", "in_the_zip"])
    expect(answer == {"boto3": boto3.__version__, "found": ["in_the_zip"]}, answer)


def layer(account: Account) -> None:
    content = {"ZipFile": archive({"python/in_the_layer.py": "VALUE = 7"})}
    published = account.client("lambda").publish_layer_version(LayerName=account.name(), Content=content)
    code = "import in_the_layer\ndef handler(event, context): return in_the_layer.VALUE"
    value = account.invoke(account.function(code, Layers=[published["LayerVersionArn"]]))
    expect(value == 7, value)


def failure(account: Account) -> None:
    function = account.function("def handler(event, context): raise ValueError('the reason')")
    answer = account.client("lambda").invoke(FunctionName=function.name, Payload=b"{}")
    body = json.loads(answer["Payload"].read())
    expect((answer.get("FunctionError"), body["errorMessage"]) == ("Unhandled", "the reason"), body)


def function_url(account: Account) -> None:
    code = """
        def handler(event, context):
            secret = event["headers"].get("x-secret")
            return {"statusCode": 202, "body": f"{event['rawPath']} {secret} {event['body']}"}
    """
    function, client = account.function(code), account.client("lambda")
    url = client.create_function_url_config(FunctionName=function.name, AuthType="NONE")["FunctionUrl"]
    client.add_permission(
        FunctionName=function.name,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    status, text = post(account, url, "path", b"{}", {"X-Secret": "s"})
    expect((status, text) == (202, "/path s {}"), (status, text))


def post(account: Account, url: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """POST to a URL of the emulator, whose name need not resolve."""
    host = url.removeprefix("https://").removeprefix("http://").strip("/").partition("/")[0]
    request = urllib.request.Request(
        f"{account.aws.endpoint_url}/{path}", body, {"Content-Type": "application/json", **headers, "Host": host}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, answer.read().decode()


def permission_by_cloudformation(account: Account) -> None:
    function, name = account.function("def handler(event, context): return 1"), account.name()
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {"FunctionName": function.arn, "Action": "lambda:InvokeFunction", "Principal": "*"},
    }
    stacks = account.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"P": permission}}))
    eventually(
        "the stack", lambda: stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    )
    text = account.client("lambda").get_policy(FunctionName=function.name)["Policy"]
    expect("lambda:InvokeFunction" in text, text)


def burst_of_a_rule(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    function = account.reporter(SLOW, queue)
    account.rule(f"SELECT * FROM '{topic}'", {"lambda": {"functionArn": function.arn}})
    for number in range(BURST):
        account.publish(topic, json.dumps({"n": number}))
    handled_by_few(account, queue)


def burst_of_invocations(account: Account) -> None:
    queue = account.queue()
    function = account.reporter(SLOW, queue)
    for number in range(BURST):
        payload = json.dumps({"n": number}).encode()
        account.client("lambda").invoke(FunctionName=function.name, InvocationType="Event", Payload=payload)
    handled_by_few(account, queue)


def handled_by_few(account: Account, queue: Queue) -> None:
    """All events of a burst are reported, by as many processes as are allowed, and by each in order of arrival."""
    seen: list[Any] = []

    def all_seen() -> bool:
        seen.extend(json.loads(body) for body in account.received(queue, wait=1))
        return len(seen) >= BURST

    eventually("every event of the burst", all_seen, timeout=40)
    handled: dict[int, list[int]] = {}
    for each in seen:
        handled.setdefault(each["process"], []).append(each["n"])
    expect(sorted(each["n"] for each in seen) == list(range(BURST)), handled)
    expect(len(handled) <= CONCURRENCY, handled)
    expect(all(numbers == sorted(numbers) for numbers in handled.values()), handled)


def synchronous_beside_a_burst(account: Account) -> None:
    queue = account.queue()
    function = account.reporter("import time\ndef answer(event): time.sleep(event)", queue)
    client = account.client("lambda")
    account.invoke(function, 0)
    for _ in range(3 * CONCURRENCY):
        client.invoke(FunctionName=function.name, InvocationType="Event", Payload=b"2")
    started = time.monotonic()
    account.invoke(function, 0)
    seconds = time.monotonic() - started
    expect(seconds < 4, f"{seconds:.1f} s")  # It would be 6 behind the queue.


def throttled_event(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    function, client = account.reporter("answer = lambda event: event", queue), account.client("lambda")
    account.rule(f"SELECT * FROM '{topic}'", {"lambda": {"functionArn": function.arn}})
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    account.publish(topic, '{"n": 1}')
    expect(account.received(queue, wait=1) == [], "an event in spite of the limit")
    client.delete_function_concurrency(FunctionName=function.name)
    bodies = account.received(queue)
    expect(bodies == ['{"n": 1}'], bodies)


def failed_event_of_a_rule(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    function = account.function("def handler(event, context): raise ValueError('the reason')")
    account.client("lambda").put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )
    account.rule(f"SELECT * FROM '{topic}'", {"lambda": {"functionArn": function.arn}})
    account.publish(topic, '{"n": 1}')
    records: list[str] = []
    eventually("the record of the failure", lambda: records.extend(account.received(queue, wait=1)) or records)
    record = json.loads(records[0])
    found = record["requestPayload"], record["responsePayload"]["errorMessage"]
    expect(found == ({"n": 1}, "the reason"), record)


def output_in_the_log(account: Account) -> None:
    function = account.function("def handler(event, context): print('a line of output')")
    account.invoke(function)
    logs = account.client("logs")
    request = {"logGroupName": f"/aws/lambda/{function.name}", "filterPattern": '"a line of output"'}
    eventually("the line in the log", lambda: logs.filter_log_events(**request)["events"])


PROBES = (
    Probe("A function finds boto3, and what its zip holds, but no other package of this machine", runtime_packages),
    Probe("A function finds what its layer holds", layer),
    Probe("A failing function answers with its message", failure),
    Probe("A function URL passes path, headers and body, and returns the status", function_url),
    Probe("CloudFormation gives a permission to invoke a function", permission_by_cloudformation),
    Probe("A burst of a rule's events is queued, in order, for a few processes of the function", burst_of_a_rule),
    Probe("A burst of asynchronous invocations is queued in the same way", burst_of_invocations),
    Probe("A synchronous invocation does not wait for the queue", synchronous_beside_a_burst),
    Probe("A rule's event stays queued while the function is throttled", throttled_event),
    Probe("A rule's event that a function fails on is sent to its destination", failed_event_of_a_rule),
    Probe("What a function prints is in its log group", output_in_the_log),
)
