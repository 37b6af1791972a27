"""Who does what in the local AWS, and which policies its roles have: what tests/rights compares.

Each call that IAM decides on is recorded once (role or user, action, resource, whether it was allowed), each request
that it does not check, and roles with their policies, as they were put. What a service does with a role that it has
assumed is a call on AWS, and none in ministack: the actions of topic rules, event source mappings, destinations of
failed events, logs of functions, targets of schedules, and what provisioning does. It is recorded as well, allowed if
the policies of the role allow it.

Nothing is compared here. `launcher` puts this into ministack when there is a file for records.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

from local.emulator.recorder import Original, Recorder

Used = Callable[[ModuleType, str, str], Callable[..., Any]]


class Rights:
    """Records calls, each once. `evaluator` is ministack's module that decides."""

    def __init__(self, records: Recorder, evaluator: Any) -> None:
        self._records, self._evaluator = records, evaluator
        self._seen: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def call(self, by: str, action: str, resource: str, allowed: bool) -> None:
        """Record a call; `by` is the ARN of a user or of a session of a role."""
        who = principal(by)
        if self._new(who, action, resource, str(allowed)):
            self._records.record("call", by=who, action=action, resource=resource, allowed=allowed)

    def unchecked(self, by: str, operation: str) -> None:
        """Record a request that ministack knows no action for, so that IAM allows it to everyone."""
        if self._new(who := principal(by), operation):
            self._records.record("unchecked", by=who, operation=operation)

    def call_of_a_service(self, role_arn: str, action: str, resource: str) -> None:
        """Record what AWS would check before a service does this with a role."""
        if not role_arn or not self._new(role_arn, action, resource):
            return
        account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
        context = self._evaluator.EvalContext(
            principal_arn=role_arn,
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=resource.split(":")[3],
        )
        policies = self._evaluator._gather_role_policies(name, account)
        self.call(role_arn, action, resource, self._evaluator.evaluate(context, policies).decision == "Allow")

    def _new(self, *call: str) -> bool:
        with self._lock:
            known = call in self._seen
            self._seen.add(call)
        return not known


def principal(arn: str) -> str:
    """Who a caller is, as "role/<name>", "user/<name>" or "root", from its ARN or that of its session.

    Without its path, which the ARN of a session does not have.
    """
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    if kind == "assumed-role":
        return f"role/{name.partition('/')[0]}"
    return f"{kind}/{name.rpartition('/')[2]}" if name else kind


def record_decisions(rights: Rights, evaluator: Any, enforce: Callable[..., Any]) -> None:
    """What IAM decides. `enforce` is ministack's; a request with a wrong key is refused before, and is no call."""

    def enforced(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        *others: Any,
        **named: Any,
    ) -> Any:
        denied = enforce(access_key_id, iam_action, service, region, resource_arn, *others, **named)
        if not isinstance(denied, evaluator.AuthError):
            caller = evaluator.resolve_caller_identity(access_key_id) or {}
            rights.call(caller.get("userArn", ""), iam_action, resource_arn, denied is None)
        return denied

    evaluator.enforce = enforced


def record_unchecked(rights: Rights, evaluator: Any, iam_actions: Any, action: Any, access_key: Any) -> None:
    """Requests without an action. `action` and `access_key` are ministack's: of a request, and of its headers."""

    def extract_iam_action(service: str, method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        found = action(service, method, path, headers, body, query_params)
        if found is None and (caller := evaluator.resolve_caller_identity(access_key(headers, query_params))):
            rights.unchecked(caller["userArn"], f"{service} {method} {path}")
        return found

    iam_actions.extract_iam_action = extract_iam_action


def record_policies(records: Recorder, handlers: dict[str, Any]) -> None:
    """Roles, and the policies that they are given."""
    handle = handlers["iam"]

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        answer = await handle(method, path, headers, body, query)
        asked = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        if answer[0] < 300 and asked.get("Action") == "CreateRole":
            records.record("role", role=asked["RoleName"], description=asked.get("Description", ""))
        if answer[0] < 300 and asked.get("Action") == "PutRolePolicy":
            document = json.loads(asked["PolicyDocument"])
            records.record("policy", role=asked["RoleName"], policy=asked["PolicyName"], document=document)
        return answer

    handlers["iam"] = handle_request


def record_rules(rights: Rights, iot: Any, original: Original, used: Used) -> None:
    """The actions of topic rules with their roles, and what provisioning does with that of its template."""
    parameters = "account_id region rule_name action event"
    dispatch = original(iot, "_dispatch_rule_action", parameters, iot._run_rule_actions)
    allows = used(iot, "_provisioning_role_allows", "role_arn requests")

    async def dispatch_rule_action(account_id: str, region: str, rule_name: str, action: Any, event: Any) -> None:
        for kind, given in action.items():
            if kind in RULE_ACTIONS and (given or {}).get("roleArn"):
                needed, resource = RULE_ACTIONS[kind](given)
                arn = f"arn:aws:{resource.replace('::', f':{region}:{account_id}:', 1)}"
                rights.call_of_a_service(given["roleArn"], needed, arn)
        await dispatch(account_id, region, rule_name, action, event)

    def provisioning_role_allows(role_arn: str, requests: list[tuple[str, str]]) -> bool:
        for action, resource in requests:
            rights.call_of_a_service(role_arn, action, resource)
        return bool(allows(role_arn, requests))

    iot._dispatch_rule_action = dispatch_rule_action
    iot._provisioning_role_allows = provisioning_role_allows


RULE_ACTIONS: dict[str, Callable[[Any], tuple[str, str]]] = {
    "dynamoDBv2": lambda given: ("dynamodb:PutItem", f"dynamodb::table/{given['putItem']['tableName']}"),
    "firehose": lambda given: ("firehose:PutRecord", f"firehose::deliverystream/{given['deliveryStreamName']}"),
    "kinesis": lambda given: ("kinesis:PutRecord", f"kinesis::stream/{given['streamName']}"),
    "republish": lambda given: ("iot:Publish", f"iot::topic/{given['topic']}"),
    "sqs": lambda given: ("sqs:SendMessage", f"sqs::{given['queueUrl'].rpartition('/')[2]}"),
}
"""Action of a topic rule → what its role needs, and on which resource, without region and account."""


READING = {
    "dynamodb": ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    "sqs": ("sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
}
"""Service that an event source mapping reads from → what Lambda needs for that (developer guide)."""


def record_functions(rights: Rights, functions: Any, sqs: Any, original: Original, used: Used) -> None:
    """What Lambda does with the role of a function: write its log, read its queues, keep what it failed on."""
    parameters = "func request_id log_text error duration_ms log_source"
    emit = original(functions, "_emit_lambda_logs", parameters, functions._execute_function_dispatch)
    apply_filter = original(functions, "_apply_filter_criteria", "records esm", functions._poll_sqs)
    original(functions, "_apply_filter_criteria", "records esm", functions._poll_dynamodb_streams)
    of_mapping = used(functions, "_get_func_record_for_qualifier", "name qualifier")
    delete = original(sqs, "_delete_messages_for_esm", "queue_url receipt_handles", functions._run_sqs_batch)
    route = used(functions, "_route_async_failure", "target_arn func_name event result")
    find = used(functions, "_get_func_record_for_ref_in_scope", "function_ref account_id region")
    workers: dict[str, tuple[str, str]] = {}

    def emit_lambda_logs(func: Any, request_id: str, *others: Any, **named: Any) -> None:
        config = func.get("config") or func
        group = config["FunctionArn"].replace(":lambda:", ":logs:").partition(":function:")[0]
        stream = f"{group}:log-group:/aws/lambda/{config['FunctionName']}:log-stream:{request_id}"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            rights.call_of_a_service(config["Role"], action, stream)
        emit(func, request_id, *others, **named)

    def apply_filter_criteria(records: Any, esm: Any) -> Any:
        # Once for each batch that a mapping has read.
        source, (_, config) = esm["EventSourceArn"], of_mapping(esm["FunctionName"], esm.get("Qualifier"))
        workers[source.rpartition(":")[2]] = (config["Role"], source)
        for action in READING.get(source.split(":")[2], ()):
            rights.call_of_a_service(config["Role"], action, source)
        return apply_filter(records, esm)

    def delete_messages(queue_url: str, receipt_handles: Any) -> None:
        if worker := workers.get(queue_url.rpartition("/")[2]):
            role, source = worker
            rights.call_of_a_service(role, "sqs:DeleteMessage", source)
        delete(queue_url, receipt_handles)

    def route_async_failure(target_arn: str, func_name: str, event: Any, result: Any) -> None:
        _, _, _, region, account_id, _ = target_arn.split(":", 5)
        _, config, _ = find(func_name, account_id=account_id, region=region)
        if config and ":sqs:" in target_arn:
            rights.call_of_a_service(config["Role"], "sqs:SendMessage", target_arn)
        route(target_arn, func_name, event, result)

    functions._emit_lambda_logs, functions._apply_filter_criteria = emit_lambda_logs, apply_filter_criteria
    functions._route_async_failure, sqs._delete_messages_for_esm = route_async_failure, delete_messages


def record_schedules(rights: Rights, scheduler: Any, events: Any, original: Original) -> None:
    """What EventBridge Scheduler sends and invokes."""
    invoke = original(events, "_invoke_target", "target event rule view", scheduler._tick_schedules)
    actions = {"lambda": "lambda:InvokeFunction", "sqs": "sqs:SendMessage"}

    def invoke_target(target: Any, event: Any, rule: Any, view: Any = None) -> Any:
        action = actions.get(target.get("Arn", "").split(":")[2])
        if action and target.get("RoleArn"):
            rights.call_of_a_service(target["RoleArn"], action, target["Arn"])
        return invoke(target, event, rule, view)

    events._invoke_target = invoke_target
