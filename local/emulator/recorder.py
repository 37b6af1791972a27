"""What a stack causes in the local AWS, as one line of JSON for each event: what local/metering.py counts.

Requests are recorded after they were admitted, each with who made it; so are what AWS charges for without a request of
the stack: messages by MQTT, rules and their actions, invocations, and what an event source mapping reads and deletes.
Nothing is priced or attributed here. `launcher` puts this into ministack when a file for it is given.
"""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

SERVICES = ("dynamodb", "iot", "iot-data", "kms", "logs", "scheduler", "secretsmanager", "sns", "sqs")
"""Services whose requests are recorded, by ministack's names."""

Original = Callable[[ModuleType, str, str, Callable[..., Any]], Callable[..., Any]]


class Recorder:
    """Appends events to a file, each whole and at once: other processes read it meanwhile."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def record(self, kind: str, **fields: Any) -> None:
        """Append an event with the time."""
        line = json.dumps({"kind": kind, "at": time.time(), **fields}, default=str)
        with self._lock:
            self._file.write(line + "\n")


def processor_ms(pid: int) -> float | None:
    """Processor time that a process has used, all its threads, in milliseconds; None where the system does not say."""
    try:
        spent = [int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    except (OSError, ValueError, IndexError):
        return None
    return sum(spent) / 1e6 if spent else None


def record_requests(recorder: Recorder, handlers: dict[str, Any], action: Any, caller: Any, access_key: Any) -> None:
    """Wrap the handlers of SERVICES. `action`: ministack's name of a request's operation; `caller`: whose key it is."""

    def wrapped(service: str, handle: Any) -> Any:
        async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            counted, asked = with_consumed_capacity(service, headers, body)
            status, answer_headers, answer = await handle(method, path, headers, counted, query)
            identity = caller(access_key(headers, query)) or {}
            recorder.record(
                "request",
                operation=action(service, method, path, headers, body, query),
                by=identity.get("userArn", ""),
                path=path,
                bytes=len(body),
                status=status,
                **(details(service, headers, body, answer) if status < 300 else refusal(answer)),
            )
            return (
                (status, *without_consumed_capacity(answer_headers, answer))
                if asked
                else (status, answer_headers, answer)
            )

        return handle_request

    for service in SERVICES:
        handlers[service] = wrapped(service, handlers[service])


def with_consumed_capacity(service: str, headers: Any, body: bytes) -> tuple[bytes, bool]:
    """The body of a request to DynamoDB that asks for the units it consumes, and whether that was added."""
    if service != "dynamodb" or not str(headers.get("x-amz-target", "")).endswith(("Item", "Query", "Scan")):
        return body, False
    request = json.loads(body or b"{}")
    if "ReturnConsumedCapacity" in request:
        return body, False
    return json.dumps({**request, "ReturnConsumedCapacity": "TOTAL"}).encode(), True


def without_consumed_capacity(headers: Any, answer: Any) -> tuple[Any, bytes]:
    """The answer as its caller wants it, with the checksum that SDKs compare, and repeat the request if it differs."""
    found = json.loads(answer or b"{}")
    found.pop("ConsumedCapacity", None)
    body = json.dumps(found).encode()
    checksum = {name: str(zlib.crc32(body)) for name in headers if name.lower() == "x-amz-crc32"}
    return {**headers, **checksum}, body


def details(service: str, headers: Any, body: bytes, answer: Any) -> dict[str, Any]:
    """What a charge depends on beside the bytes of the body: units of a table, entries of a log, a queue's messages."""
    if service == "dynamodb":
        consumed = json.loads(answer or b"{}").get("ConsumedCapacity", {})
        consumed = consumed if isinstance(consumed, dict) else {}
        return {"table": consumed.get("TableName"), "units": consumed.get("CapacityUnits")}
    if service == "logs" and str(headers.get("x-amz-target", "")).endswith("PutLogEvents"):
        entries = [each["message"].encode() for each in json.loads(body)["logEvents"]]
        return {"entries": len(entries), "entry_bytes": sum(map(len, entries))}
    if service == "sqs":
        return {"queue": json.loads(body or b"{}").get("QueueUrl", "")} if body[:1] == b"{" else {}
    return {}


def refusal(answer: Any) -> dict[str, Any]:
    """The code of an error in JSON: a table charges for a write whose condition does not hold."""
    try:
        code = str(json.loads(answer or b"{}").get("__type", ""))
    except (ValueError, AttributeError):
        return {}
    return {"error": code.rpartition("#")[2]}


def record_messages(recorder: Recorder, iot: ModuleType, original: Original) -> None:
    """Messages by MQTT, rules that are triggered, and their actions. Messages over HTTPS are requests."""
    parameters = "account_id region topic payload qos retain properties client_id principal"
    publish = original(iot, "broker_publish", parameters, iot._publish_event)
    parameters = "account_id region rule payload topic client_id"
    run = original(iot, "_run_rule_actions", parameters, iot._evaluate_topic_rules)
    dispatch = original(iot, "_dispatch_rule_action", "account_id region rule_name action event", iot._run_rule_actions)

    async def broker_publish(
        account_id: str, region: str, topic: str, payload: bytes, *others: Any, **named: Any
    ) -> None:
        if named.get("client_id") is not None:
            recorder.record("mqtt", topic=topic, bytes=len(payload or b""), client=named["client_id"])
        await publish(account_id, region, topic, payload, *others, **named)

    async def run_rule_actions(
        account_id: str, region: str, rule: Any, payload: bytes, *others: Any, **named: Any
    ) -> None:
        if rule and not rule.get("ruleDisabled"):
            recorder.record("rule", rule=rule.get("ruleName"), bytes=len(payload or b""))
        await run(account_id, region, rule, payload, *others, **named)

    async def dispatch_rule_action(account_id: str, region: str, rule_name: str, action: Any, event: Any) -> None:
        size = len(json.dumps(event, default=str)) if not isinstance(event, bytes) else len(event)
        recorder.record("action", rule=rule_name, action=next(iter(action), "?"), bytes=size)
        await dispatch(account_id, region, rule_name, action, event)

    iot.broker_publish = broker_publish  # type: ignore[attr-defined]
    iot._run_rule_actions = run_rule_actions  # type: ignore[attr-defined]
    iot._dispatch_rule_action = dispatch_rule_action  # type: ignore[attr-defined]


def record_invocations(recorder: Recorder, worker: Any, invoke: Callable[..., Any]) -> None:
    """Invocations: how long they took, and the processor time of the function's process. `invoke` is the worker's."""

    def recorded(self: Any, *arguments: Any, **named: Any) -> Any:
        before = processor_ms(self._proc.pid) if self._proc is not None else None
        began = time.perf_counter()
        answer = invoke(self, *arguments, **named)
        milliseconds = (time.perf_counter() - began) * 1000
        after = processor_ms(self._proc.pid) if self._proc is not None else None
        log = str(answer.get("log") or "").encode()
        recorder.record(
            "invocation",
            function=self.func_name,
            milliseconds=milliseconds,
            processor_ms=after - before if after is not None and before is not None else None,
            memory_mb=self.config.get("MemorySize", 128),
            architecture=(self.config.get("Architectures") or ["x86_64"])[0],
            system_log_level=(self.config.get("LoggingConfig") or {}).get("SystemLogLevel", "INFO"),
            cold=bool(answer.get("cold_start")),
            failed=answer.get("status") != "ok",
            log_bytes=len(log),
            log_entries=len(log.splitlines()),
        )
        return answer

    worker.invoke = recorded


def record_mappings(recorder: Recorder, sqs: ModuleType, original: Original, poll: Any, run_batch: Any) -> None:
    """What event source mappings receive and delete; ministack does both without a request. Empty receives are not
    recorded: how often Lambda polls does not depend on messages."""
    receive = original(sqs, "_receive_messages_for_esm", "queue_url max_number", poll)
    delete = original(sqs, "_delete_messages_for_esm", "queue_url receipt_handles", run_batch)

    def receive_messages(queue_url: str, max_number: int) -> Any:
        messages = receive(queue_url, max_number)
        if messages:
            size = sum(len(str(each["body"]).encode()) for each in messages)
            recorder.record("mapping", operation="ReceiveMessage", queue=queue_url, messages=len(messages), bytes=size)
        return messages

    def delete_messages(queue_url: str, receipt_handles: Any) -> None:
        recorder.record("mapping", operation="DeleteMessageBatch", queue=queue_url, messages=len(receipt_handles))
        delete(queue_url, receipt_handles)

    sqs._receive_messages_for_esm = receive_messages  # type: ignore[attr-defined]
    sqs._delete_messages_for_esm = delete_messages  # type: ignore[attr-defined]
