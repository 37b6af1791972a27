"""SQS: queues that feed functions, dead letters, order and delay."""

from __future__ import annotations

import json
import time

from local.emulator.probes.account import Account, Queue, allow
from local.emulator.probes.probe import Probe, expect

WORK = """
    import os, boto3
    sqs = boto3.client("sqs")

    def handler(event, context):
        failed = []
        for record in event["Records"]:
            sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=record["body"])
            if record["body"] == "bad":
                failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}
"""


AGAIN = """
    import os, boto3
    sqs = boto3.client("sqs")

    def handler(event, context):
        failed = []
        for record in event["Records"]:
            sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=record["attributes"]["ApproximateReceiveCount"])
            url = sqs.get_queue_url(QueueName=record["eventSourceARN"].rpartition(":")[2])["QueueUrl"]
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=1)
            failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}
"""


def failed_items(account: Account) -> None:
    seen, dead = account.queue(), account.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "2"})
    work = account.queue(VisibilityTimeout="2", RedrivePolicy=redrive)
    consume = allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], work.arn)
    function = account.function(WORK, allow("sqs:SendMessage", seen.arn), consume, variables={"SEEN": seen.url})
    account.invoke(function, {"Records": []})  # Started: the first call takes longer than messages stay invisible.
    account.client("lambda").create_event_source_mapping(
        EventSourceArn=work.arn,
        FunctionName=function.name,
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2},
    )
    entries = [{"Id": body, "MessageBody": body} for body in ("good", "bad")]
    account.client("sqs").send_message_batch(QueueUrl=work.url, Entries=entries)
    letters = account.received(dead, wait=20)
    handled = sorted(drained(account, seen))
    expect((letters, handled) == (["bad"], ["bad", "bad", "good"]), (letters, handled))


def sets_when_messages_come_again(account: Account) -> None:
    seen, work = account.queue(), account.queue(VisibilityTimeout="120")
    rights = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ChangeMessageVisibility"]
    consume = allow([f"sqs:{right}" for right in rights], work.arn)
    function = account.function(AGAIN, allow("sqs:SendMessage", seen.arn), consume, variables={"SEEN": seen.url})
    account.invoke(function, {"Records": []})
    account.client("lambda").create_event_source_mapping(
        EventSourceArn=work.arn, FunctionName=function.name, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    account.client("sqs").send_message(QueueUrl=work.url, MessageBody="bad")
    first, second = account.received(seen, wait=10), account.received(seen, wait=10)
    expect((first, second) == (["1"], ["2"]), (first, second))


def drained(account: Account, queue: Queue) -> list[str]:
    bodies: list[str] = []
    while fresh := account.received(queue, wait=0):
        bodies += fresh
    return bodies


def groups(account: Account) -> None:
    sqs, queue = account.client("sqs"), account.queue(fifo=True)
    for body, group in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        sqs.send_message(QueueUrl=queue.url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body)
    sqs.send_message(QueueUrl=queue.url, MessageBody="a1", MessageGroupId="a", MessageDeduplicationId="a1")
    first = sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=1)["Messages"]
    others = account.received(queue, wait=0)
    sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=first[0]["ReceiptHandle"])
    rest = account.received(queue, wait=1)
    expect(([first[0]["Body"]], others, rest) == (["a1"], ["b1"], ["a2"]), (first[0]["Body"], others, rest))


def delay(account: Account) -> None:
    queue = account.queue()
    account.client("sqs").send_message(QueueUrl=queue.url, MessageBody="later", DelaySeconds=1)
    sent = time.monotonic()
    early, later = account.received(queue, wait=0), account.received(queue, wait=5)
    seconds = time.monotonic() - sent
    expect((early, later) == ([], ["later"]) and seconds > 0.8, (early, later, f"{seconds:.1f} s"))


def waiting_count(account: Account) -> None:
    sqs, queue = account.client("sqs"), account.queue()
    sqs.send_message(QueueUrl=queue.url, MessageBody="1")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    before = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)["Attributes"]
    sqs.receive_message(QueueUrl=queue.url)
    after = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)["Attributes"]
    counts = [[each[name] for name in names] for each in (before, after)]
    expect(counts == [["1", "0"], ["0", "1"]], counts)


PROBES = (
    Probe(
        "Only the items that a function reports as failed are delivered again, and end as dead letters", failed_items
    ),
    Probe(
        "A function sets when a reported message is delivered again, whatever the queue's visibility timeout",
        sets_when_messages_come_again,
    ),
    Probe("A FIFO queue drops duplicates, and holds a group back until its first message is done", groups),
    Probe("A delayed message is not seen before its time", delay),
    Probe("A queue counts what waits and what is being worked on", waiting_count),
)
