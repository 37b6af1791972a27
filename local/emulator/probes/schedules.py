"""EventBridge Scheduler."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from local.emulator.probes.account import Account, allow
from local.emulator.probes.probe import Probe, eventually, expect


def schedule_to_queue(account: Account) -> None:
    # The emulator leaves `<aws.scheduler.…>` in the input as it is: nothing here may depend on it.
    queue = account.queue(fifo=True, ContentBasedDeduplication="true")
    due = datetime.now(UTC) + timedelta(seconds=2)
    account.client("scheduler").create_schedule(
        Name=account.name(),
        ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": queue.arn,
            "RoleArn": account.role({"Service": "scheduler.amazonaws.com"}, allow("sqs:SendMessage", queue.arn)),
            "Input": '{"start": "now"}',
            "SqsParameters": {"MessageGroupId": "sync"},
        },
    )
    bodies = eventually("the message of the schedule", lambda: account.received(queue, wait=5), timeout=60)
    expect(bodies == ['{"start": "now"}'], bodies)


def schedule_to_function(account: Account) -> None:
    queue = account.queue()
    function = account.reporter("answer = lambda event: event", queue)
    role = account.role({"Service": "scheduler.amazonaws.com"}, allow("lambda:InvokeFunction", function.arn))
    due = datetime.now(UTC) + timedelta(seconds=2)
    account.client("scheduler").create_schedule(
        Name=account.name(),
        ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function.arn, "RoleArn": role, "Input": '{"tick": "now"}'},
    )
    bodies = eventually("the event of the schedule", lambda: account.received(queue, wait=5), timeout=60)
    expect([json.loads(body) for body in bodies] == [{"tick": "now"}], bodies)


PROBES = (
    Probe("A schedule sends its input to a FIFO queue when it is due", schedule_to_queue),
    Probe("A schedule invokes a function with its input when it is due", schedule_to_function),
)
