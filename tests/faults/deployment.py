"""A stack without Terraform: its functions in this process, between proxies that let hops fail, and real queues.

Each function is started as Lambda starts it, by importing its entry point with its environment. What Lambda and SQS do
around it is here: events are invoked three times and then kept in the function's queue of failures, messages of queues
are delivered again until the queue moves them to its dead letters, and an invocation that is killed leaves nothing but
what it has done. Time that only has to pass is skipped: a failed message is delivered again at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from cli.aws import AppliedStack
from cli.failures import contents, queues
from cli.failures.contents import Entry
from cli.failures.queues import Failures
from cli.runtime import Clock
from handlers import composition
from local.aws import LocalAws
from local.things_stack import ThingsStack
from tests.faults.proxy import AWS, ONCE, THINGS_STACK, Faults, Proxy, proxy
from tests.unit.invocation import ARN
from thingbridge.aws.direct import Direct
from thingbridge.aws.signing import Credentials

STACK, APPLICATION, REGION = "Faults", "faults-app", "eu-west-1"
HANDLERS = Path(composition.__file__).parent
MOST_ATTEMPTS = 3
"""Of a message of a queue, before it is a dead letter; and what Lambda makes of an event."""

MOST_ROUNDS = 14
"""Deliveries after which what still comes back is said to wait."""

READ_SECONDS, IMPATIENT_SECONDS = 30.0, 0.3
"""Time-outs of a function: one that no busy machine reaches, and one for what never answers."""

WORKS_ON = {
    "registry": "registry",
    "directory": "directory",
    "downlink": "downlink",
    "sending.fifo": "downlink",
    "shadow": "shadow",
    "sync.fifo": "sync",
    "waiting.fifo": "waiting",
}
"""Queue → the function that Lambda invokes with its messages."""

TABLES = {
    "directory": ("device",),
    "downlinks": ("thing", "id"),
    "shadow-states": ("thing",),
    "telemetry-states": ("thing",),
    "waiting": ("device",),
}
"""Table → its keys."""

TYPES = {"temperature": {"fields": {"value": {"required": True, "levels": [{"name": "HIGH", "above": 80}]}}}}


@dataclass
class Context:
    """An invocation, with the seconds that remain of it."""

    remaining: Callable[[], float]
    invoked_function_arn: str = ARN

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * self.remaining())


@dataclass
class Session:
    """Creates boto3 clients of the AWS behind the proxy, and keeps them: creating one takes longer than a cell."""

    url: str
    made: boto3.Session
    kept: dict[tuple[str, int], Any] = field(default_factory=dict)

    def client(self, service: str, *, config: Config) -> Any:
        at = service, id(config)
        if at not in self.kept:
            self.kept[at] = self.made.client(service, config=config, endpoint_url=self.url)
        return self.kept[at]


CONFIGS = {
    seconds: Config(read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 2})
    for seconds in (READ_SECONDS, IMPATIENT_SECONDS)
}


@dataclass
class Deployment:
    """The stack. `aws` and `simulation` are its surroundings without the proxies, for what a test does and looks at."""

    aws: LocalAws
    simulation: ThingsStack
    faults: Faults
    aws_proxy: Proxy
    things_stack_proxy: Proxy
    session: Session
    queue_urls: dict[str, str]
    settings: dict[str, str]
    later: deque[tuple[str, dict[str, Any], int]] = field(default_factory=deque)
    stream: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    started: dict[str, Callable[..., Any]] = field(default_factory=dict)
    invocations: int = 0
    read_seconds: float = READ_SECONDS
    overrides: dict[str, str] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    """Queues of work in which something may be: asking all of them takes longer than a cell."""
    minute_passes: Callable[[], object] = lambda: None
    """Called before Lambda makes another attempt, which on AWS it does after a minute."""
    _seen: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # Invocations --------------------------------------------------------------------------------------------------

    def move_after(self, attempts: int) -> None:
        """Have `sending`, whose tickets are tried for hours, give up after so many attempts."""
        if self.overrides.get("MAXIMUM_RECEIVE_COUNT") == str(attempts):
            return
        sqs, url = self.aws.client("sqs"), self.queue_urls["sending.fifo"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
        policy = json.dumps({**json.loads(found), "maxReceiveCount": attempts})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})

    def start_again(self) -> None:
        """All execution environments end: the next invocations are cold."""
        self.started.clear()

    def invoke(self, function: str, event: Any) -> Any:
        """What the function returns. Raises what it raises, and `Killed`."""
        with pytest.MonkeyPatch.context() as environment:
            for name, value in (self.settings | self.overrides).items():
                environment.setenv(name, value)
            if function not in self.started:
                self._use_clients()
                self.started[function] = _entry_point(function, next(self._numbers))
            self.invocations += 1
            printed = io.StringIO()
            try:
                with contextlib.redirect_stdout(printed):
                    answer = self.started[function](event, Context(self._remaining))
            finally:
                self._log(function, printed.getvalue())
                if self.faults.killed:
                    self.faults.killed = False
                    del self.started[function]
                    raise Killed
            return answer

    def _remaining(self) -> float:
        """Seconds that are left: none to ask a server again that has just failed and keeps failing."""
        striking, seen = self.faults.set, self._seen
        self._seen = self.faults.struck
        tired = striking is not None and striking.hop[:2].isupper() and striking.fault not in ONCE
        return 1.2 if self.faults.killed or (tired and self._seen != seen) else 120.0

    def _use_clients(self) -> None:
        """The clients of an execution environment that starts now, with other time-outs than those of functions."""
        url = self.aws_proxy.url
        direct = Direct(
            dict.fromkeys(("dynamodb", "iot", "iot-data", "secretsmanager", "sqs"), url),
            REGION,
            Credentials("test", "test", None),
            pause=lambda _seconds: None,
            read_seconds=self.read_seconds,
        )
        composition.CLIENTS.__init__(self.session, config=CONFIGS[self.read_seconds], direct=direct)  # type: ignore[misc]

    def _log(self, function: str, text: str) -> None:
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in text.splitlines() if line]
        if events:
            group = f"/aws/lambda/{STACK}-{function}"
            self.aws.client("logs").put_log_events(logGroupName=group, logStreamName="one", logEvents=events)

    # Deliveries ---------------------------------------------------------------------------------------------------

    def send(self, queue: str, body: str, group: str | None = None) -> None:
        """Send a message to a queue, as a rule or a schedule does."""
        number = next(self._numbers)
        ordered = {"MessageGroupId": group, "MessageDeduplicationId": f"test-{number}"} if group else {}
        self.aws.client("sqs").send_message(QueueUrl=self.queue_urls[queue], MessageBody=body, **ordered)
        self.touched |= {queue} & WORKS_ON.keys()

    def deliver(self) -> set[str]:
        """Deliver what waits until nothing does, or it comes back too often. Returns the queues of work that have some.

        Those are `stream` as well: the one of the table of downlinks.
        """
        for _ in range(MOST_ROUNDS):
            if not self._deliver_once():
                return set()
        return self.touched | ({"stream"} if self.stream else set())

    def number(self, queue: str) -> int:
        """How many messages a queue has, hidden and delayed ones included."""
        kinds = ("", "NotVisible", "Delayed")
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        answer = self.aws.client("sqs").get_queue_attributes(QueueUrl=self.queue_urls[queue], AttributeNames=names)
        return sum(int(value) for name, value in answer["Attributes"].items() if name in names)

    def _deliver_once(self) -> bool:
        delivered = False
        while self.later:
            delivered = True
            self._invoke_later(*self.later.popleft())
        if self.stream:
            delivered = True
            with contextlib.suppress(Exception, Killed):
                self.invoke("downlink", {"Records": list(self.stream)})
                self.stream.clear()
        self._touch()
        for queue in [name for name in WORKS_ON if name in self.touched]:
            if self._deliver_batch(queue):
                delivered = True
            elif not self.number(queue):
                self.touched.discard(queue)
            else:
                # It is delayed.
                time.sleep(0.1)
                delivered = True
            self._touch()
        return delivered

    def _touch(self) -> None:
        """Note which queues the functions have sent to."""
        names = {url: name for name, url in self.queue_urls.items()}
        sent = [each for each in self.aws_proxy.carried if each.hop == "sqs SendMessage"]
        self.aws_proxy.carried[:] = [each for each in self.aws_proxy.carried if each.hop != "sqs SendMessage"]
        self.touched |= {names[json.loads(each.body)["QueueUrl"]] for each in sent} & WORKS_ON.keys()

    def _invoke_later(self, function: str, event: dict[str, Any], attempt: int) -> None:
        error: dict[str, str] = {}
        if attempt > 1:
            self.minute_passes()
        try:
            self.invoke(function, event)
            return
        except Killed:
            error = {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 30.00 seconds"}
        except Exception as raised:
            error = {"errorType": type(raised).__name__, "errorMessage": str(raised)}
        if attempt < MOST_ATTEMPTS:
            self.later.append((function, event, attempt + 1))
            return
        context = {"condition": "RetriesExhausted", "approximateInvokeCount": attempt, "functionArn": ARN}
        record = {"requestContext": context, "requestPayload": event, "responsePayload": error}
        self.send(f"{function}-failures", json.dumps(record))

    def _deliver_batch(self, queue: str) -> bool:
        """What an event source mapping does with what a queue has."""
        sqs, url = self.aws.client("sqs"), self.queue_urls[queue]
        received = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1 if queue == "sync.fifo" else 10, VisibilityTimeout=300,
            AttributeNames=["All"],
        ).get("Messages", [])  # fmt: skip
        if not received:
            return False
        records = [_record(queue, message) for message in received]
        failed = {message["MessageId"] for message in received}
        with contextlib.suppress(Exception, Killed):
            answer = self.invoke(WORKS_ON[queue], {"Records": records}) or {}
            failed = {each["itemIdentifier"] for each in answer.get("batchItemFailures", [])}
        for message in received:
            at = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] in failed:
                sqs.change_message_visibility(**at, VisibilityTimeout=0)
            else:
                sqs.delete_message(**at)
        return True

    # Failures -----------------------------------------------------------------------------------------------------

    def failed(self) -> list[Entry]:
        """What `thingbridge failures` sees."""
        with contents.reading(self._applied, self._with_messages()) as read:
            return list(read.entries())

    def replay(self) -> None:
        """`thingbridge failures replay`."""
        self.minute_passes()
        with contents.reading(self._applied, self._with_messages()) as read:
            for entry in read.entries():
                entry.failures.replay(entry.held)
                read.delete(entry)
        self.touched |= WORKS_ON.keys()

    def _with_messages(self) -> list[Failures]:
        return [each for each in self._failures if each.queue.waiting()]

    def __post_init__(self) -> None:
        clients = self.aws.clients
        clients("lambda").meta.events.register("before-call.lambda.Invoke", self._take_invocation)
        self._applied = AppliedStack(STACK, clients, Clock())
        self._failures = queues.of_stack(self._applied)

    def _take_invocation(self, params: dict[str, Any], **_: Any) -> Any:
        """Lambda's Invoke: the functions are in this process."""
        function = params["url_path"].split("/")[3].removeprefix(f"{STACK}-")
        self.later.append((function, json.loads(params["body"]), 1))
        return Accepted(), {"StatusCode": 202}


class Accepted:
    """The part of an HTTP response that botocore reads."""

    status_code = 202


class Killed(BaseException):
    """The invocation was ended from outside."""


def _entry_point(function: str, number: int) -> Callable[..., Any]:
    """A cold start: the module of a function, imported anew."""
    spec = importlib.util.spec_from_file_location(f"started_{number}_{function}", HANDLERS / f"{function}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler  # type: ignore[no-any-return]


def _record(queue: str, message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:000000000000:{STACK}-{queue}",
    }


# Resources ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def deployment(aws: LocalAws, simulation: ThingsStack) -> Iterator[Deployment]:
    """A stack in an account, with all that its functions use."""
    simulation.create_application(APPLICATION)
    key = aws.client("secretsmanager").create_secret(
        Name=f"{STACK}/key", SecretString=simulation.create_api_key(APPLICATION)
    )
    posted = aws.client("secretsmanager").create_secret(Name=f"{STACK}/webhook", SecretString="5ec2e7" * 10)
    topic = aws.client("sns").create_topic(Name=f"{STACK}-alerts")["TopicArn"]
    with contextlib.suppress(aws.client("iot").exceptions.ResourceAlreadyExistsException):
        aws.client("iot").create_thing_type(thingTypeName="lorawan")
    for name, keys in TABLES.items():
        aws.client("dynamodb").create_table(
            TableName=f"{STACK}-{name}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": k, "KeyType": t} for k, t in zip(keys, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in keys],
        )
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=f"/thethings/lorawan/{STACK}/things")
    for function in sorted({*WORKS_ON.values(), "upstream", "telemetry", "webhook"}):
        logs.create_log_group(logGroupName=f"/aws/lambda/{STACK}-{function}")
        logs.create_log_stream(logGroupName=f"/aws/lambda/{STACK}-{function}", logStreamName="one")
    urls = _queues(aws.client("sqs"))
    faults = Faults()
    with (
        proxy(aws.endpoint_url, AWS, faults) as aws_proxy,
        proxy(simulation.url, THINGS_STACK, faults) as things_stack_proxy,
    ):
        settings = _settings(urls, things_stack_proxy.url) | {
            "API_KEY_SECRET_ARN": key["ARN"],
            "WEBHOOK_SECRET_ARN": posted["ARN"],
            "ALERT_TOPIC_ARN": topic,
        }
        session = Session(aws_proxy.url, boto3.Session("test", "test", region_name=REGION))
        yield Deployment(aws, simulation, faults, aws_proxy, things_stack_proxy, session, urls, settings)


def _queues(sqs: Any) -> dict[str, str]:
    urls: dict[str, str] = {}
    for name in ("upstream-failures", "telemetry-failures"):
        urls[name] = sqs.create_queue(QueueName=f"{STACK}-{name}")["QueueUrl"]
    for name in WORKS_ON:
        plain, dot, fifo = name.partition(".")
        dead, kind = f"{plain}-dead-letters{dot}{fifo}", {"FifoQueue": "true"} if fifo else {}
        urls[dead] = sqs.create_queue(QueueName=f"{STACK}-{dead}", Attributes=kind)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=urls[dead], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        # A message that waits for its thing is given up by the function, not by the queue.
        most = 1000 if name == "waiting.fifo" else MOST_ATTEMPTS
        redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": most})}
        urls[name] = sqs.create_queue(QueueName=f"{STACK}-{name}", Attributes={**kind, **redrive})["QueueUrl"]
    return urls


def _settings(urls: Mapping[str, str], things_stack: str) -> dict[str, str]:
    """The environment of every function."""
    return {
        "STACK_NAME": STACK,
        "THINGS_LOG_GROUP": f"/thethings/lorawan/{STACK}/things",
        "THING_TYPE_NAME": "lorawan",
        "THING_NAME_SCHEME": "DevEUI",
        "CLUSTER_ADDRESS": things_stack,
        "IDENTITY_SERVER_ADDRESS": things_stack,
        "APPLICATION_ID": APPLICATION,
        "MAXIMUM_RECEIVE_COUNT": str(MOST_ATTEMPTS),
        "DIRECTORY_TABLE": f"{STACK}-directory",
        "DIRECTORY_QUEUE_URL": urls["directory"],
        "DIRECTORY_DEAD_LETTERS_URL": urls["directory-dead-letters"],
        "DOWNLINK": '{"concurrency": 2, "hold_seconds": 0.0, "maximum_age_seconds": 3600, "rate_per_minute": null}',
        "DOWNLINKS_TABLE": f"{STACK}-downlinks",
        "DELTA_F_PORT": "20",
        "SENDING_QUEUE_URL": urls["sending.fifo"],
        "SHADOW_QUEUE_URL": urls["shadow"],
        "SHADOW": '{"metrics": true, "decoded_payload": true}',
        "SHADOW_WRITES_RATE": "1000",
        "DEFAULT_FREQUENCY_PLAN_ID": "EU_863_870_TTN",
        "ON_THING_DELETED": "delete",
        "SCRUB_KEYS": "false",
        "LOOK_UPS_RATE": "1000",
        "LIST_THINGS_RATE": "1000",
        "CREATE_THING_RATE": "1000",
        "REGISTRY_QUEUE_URL": urls["registry"],
        "SYNC_QUEUE_URL": urls["sync.fifo"],
        "SYNC_MODE": "apply",
        "WAITING_TABLE": f"{STACK}-waiting",
        "WAITING_QUEUE_URL": urls["waiting.fifo"],
        "WAITING_DEAD_LETTERS_URL": urls["waiting-dead-letters.fifo"],
        "TELEMETRY_STATES_TABLE": f"{STACK}-telemetry-states",
        "TELEMETRY_TYPES": json.dumps(TYPES),
        "SETTINGS_SECONDS": "0",
        "LOG_LEVEL": "INFO",
    }
