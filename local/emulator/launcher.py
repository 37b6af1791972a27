"""Starts ministack with six changes: `python -m local.emulator.launcher PYTHON`, in ministack's own environment.

- The events that a topic rule or an asynchronous Invoke sends to a function wait in a queue (invocations.py). ministack
  starts a process for each of them at once, until none answers within its timeout.
- An event that Lambda throttles stays in that queue, as on AWS. ministack drops those of a topic rule.
- Functions in Python run on `PYTHON`, the interpreter of the environment that stands for a Lambda runtime, not on
  ministack's: a package that is missing in a zip or a layer is missing here as well.
- IAM checks AttachPolicy on the certificate and ListTargetsForPolicy on the policy, as AWS does (service authorization
  reference, AWS IoT), so rights that name them suffice. ministack checks both on no resource.
- ListNamedShadowsForThing answers with the names of a thing's named shadows. ministack does not have it.
- A response is sent in one piece: the AWS SDK for Go, with which Terraform's provider is made, loses a response whose
  head arrives alone now and then, and repeats what is done already.

With RECORDS in its environment, it also writes what is billed to that file (recorder.py).

Synchronous invocations, and event source mappings, which ministack bounds itself, are left as they are. If ministack
has changed so that this no longer fits, the start fails and names what has moved.
"""

from __future__ import annotations

import contextvars
import importlib.metadata
import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h11
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol
from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.responses import json_response
from ministack.services import iot, iot_data, lambda_svc, sqs

from local.emulator import recorder
from local.emulator.invocations import CONCURRENCY, Invocations
from local.processes import end_with_caller

RECORDS = "THINGBRIDGE_LOCAL_RECORDS"
"""Variable with the file that what is billed is recorded in; nothing is recorded without it."""

THROTTLED_SECONDS = 0.2
"""How long a throttled event waits before it is tried again."""

WORKER_PARAMETERS = "self event request_id trace_id depth durable invoked_function_arn"


class HookMoved(Exception):
    """ministack no longer has, or no longer calls, what is replaced or used here; the message names it."""


def main() -> None:
    """Change ministack, then run it; ends with a sentence when it has become another one than this is written for."""
    end_with_caller()
    (function_python,) = sys.argv[1:]
    # ministack parses the arguments; its functions inherit the variables.
    sys.argv = sys.argv[:1]
    os.environ.pop("PYTHONPATH", None)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # Their code lies in directories that are soon removed.
    invocations = Invocations(CONCURRENCY)
    try:
        queue_events_of_rules(invocations)
        queue_asynchronous_invocations(invocations)
        run_functions_on(function_python)
        name_policies_and_their_targets()
        list_named_shadows()
        send_responses_in_one_piece()
        if file := os.environ.pop(RECORDS, None):
            record(Path(file))
    except HookMoved as moved:
        sys.exit(
            f"ministack {importlib.metadata.version('ministack')} does not fit local/emulator/launcher.py: {moved}"
        )
    app.main()


def queue_events_of_rules(invocations: Invocations) -> None:
    """Replace what the `lambda` action of a topic rule does. An event is tried once, as it is without this."""
    original(iot, "_dispatch_rule_to_lambda", "account_id region function_arn event", iot._dispatch_rule_action)
    find = used(lambda_svc, "_get_func_record_for_ref_in_scope", "function_ref account_id region")
    record_of = used(lambda_svc, "_execution_record_for_config", "func config")
    execute = used(lambda_svc, "_execute_function_with_config_scope", "func event")

    def dispatch(account_id: str, region: str, function_arn: str, event: object) -> None:
        def attempt() -> dict[str, Any]:
            # Looked up for each attempt: since it was queued, the function may have been updated or deleted.
            function, config, name = find(function_arn, account_id=account_id, region=region)
            return dict(execute(record_of(function, config), event)) if function and config else _not_found(name)

        invocations.submit(function_arn, lambda: unless_throttled(attempt))

    iot._dispatch_rule_to_lambda = dispatch


def queue_asynchronous_invocations(invocations: Invocations) -> None:
    """Have each attempt of an asynchronous Invoke wait; ministack still decides on retries and destinations."""
    invoke = original(lambda_svc, "invoke_async_with_retry", "func event", lambda_svc._invoke)
    execute = original(lambda_svc, "_execute_function", "func event", invoke)
    asynchronous = contextvars.ContextVar("asynchronous", default=False)

    def invoke_async_with_retry(func: dict[str, Any], event: object) -> None:
        token = asynchronous.set(True)
        try:
            # It starts a thread for the attempts, with a copy of the context.
            invoke(func, event)
        finally:
            asynchronous.reset(token)

    def execute_function(func: dict[str, Any], event: object) -> dict[str, Any]:
        def attempt() -> dict[str, Any]:
            # In a context of its own. It may come here again, and must not queue behind itself.
            asynchronous.set(False)
            return dict(execute(func, event))

        if not asynchronous.get():
            return dict(execute(func, event))
        function_arn = (func.get("config") or func)["FunctionArn"]
        return invocations.submit(function_arn, lambda: unless_throttled(attempt)).result()

    lambda_svc.invoke_async_with_retry = invoke_async_with_retry
    lambda_svc._execute_function = execute_function


def run_functions_on(python: str) -> None:
    """Run functions in Python on this interpreter."""
    detect = original(lambda_runtime, "_detect_runtime_binary", "runtime", lambda_runtime.Worker._spawn)

    def detect_runtime_binary(runtime: str) -> tuple[str, str]:
        binary, worker_script = detect(runtime)
        return (python if runtime.startswith("python") else binary), worker_script

    lambda_runtime._detect_runtime_binary = detect_runtime_binary


def name_policies_and_their_targets() -> None:
    """Give IAM the resource of two operations of AWS IoT that ministack finds none for."""
    parameters = "service method path headers body query_params region account_id"
    extract = original(iam_actions, "extract_resource_arn", parameters, app._dispatch_service_request)

    def extract_resource_arn(service: str, method: str, path: str, *others: Any) -> str:
        _headers, body, _query, region, account_id = others
        collection, _, name = path.strip("/").partition("/")
        if service == "iot" and collection == "target-policies" and method == "PUT":
            return str(json.loads(body or b"{}").get("target") or "*")
        if service == "iot" and collection == "policy-targets" and name:
            return f"arn:aws:iot:{region}:{account_id}:policy/{name}"
        return str(extract(service, method, path, *others))

    iam_actions.extract_resource_arn = extract_resource_arn


def list_named_shadows() -> None:
    """Add ListNamedShadowsForThing, all names on one page."""
    handle = used(iot_data, "handle_request", "method path headers body query_params")
    shadows = iot._shadows
    prefix = "/api/things/shadow/ListNamedShadowsForThing/"

    async def handle_request(method: str, path: str, *others: Any) -> Any:
        if method != "GET" or not path.startswith(prefix):
            return await handle(method, path, *others)
        of = unquote(path.removeprefix(prefix))
        named = [key for key in shadows if key[0] == of and key[1] and not shadows[key].get("deleted")]
        return json_response({"results": sorted(name for _, name in named), "timestamp": int(time.time())})

    iot_data.handle_request = handle_request


def send_responses_in_one_piece() -> None:
    """Send the head of a response with the first part of its body, not in a packet of its own.

    When the head arrives, the SDK for Go closes the body of its request. If net/http has not seen the end of that body
    by then (another process had the processor), it takes this for a failure to send, and closes the connection: the SDK
    gets what net/http has read of the response, 4 KB at most. The way to AWS is too long for that to happen.
    """
    original(H11Protocol, "_send_h11_event", "self event", H11Protocol.stream_send)

    async def send_h11_event(protocol: Any, event: Any) -> None:
        try:
            data = protocol.connection.send(event)
        except h11.LocalProtocolError:
            # The request was malformed, and is answered with an error already.
            if protocol.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            protocol.head = data
        else:
            head, protocol.head = getattr(protocol, "head", b""), b""
            await protocol.send(RawData(data=head + data))

    H11Protocol._send_h11_event = send_h11_event


def record(file: Path) -> None:
    """Write what is billed to a file. After the changes above: it records what they do."""
    records = recorder.Recorder(file)
    parameters = "service method path headers body query_params"
    action = used(iam_actions, "extract_iam_action", parameters)
    caller = used(iam_evaluator, "resolve_caller_identity", "access_key_id")
    access_key = used(app, "extract_access_key_id", "headers query_params")
    if "SERVICE_HANDLERS.get(service)" not in inspect.getsource(app._dispatch_service_request):
        raise HookMoved("ministack.app.SERVICE_HANDLERS is not used by _dispatch_service_request")
    recorder.record_requests(records, app.SERVICE_HANDLERS, action, caller, access_key)
    recorder.record_messages(records, iot, original)
    invoke = original(lambda_runtime.Worker, "invoke", WORKER_PARAMETERS, lambda_svc._execute_function_warm)
    recorder.record_invocations(records, lambda_runtime.Worker, invoke)
    recorder.record_mappings(records, sqs, original, lambda_svc._poll_sqs, lambda_svc._run_sqs_batch)


def unless_throttled(attempt: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Try until the answer is not that the function is throttled, as AWS does (for six hours); returns the answer."""
    while (answer := attempt()).get("throttle"):
        time.sleep(THROTTLED_SECONDS)
    return answer


def original(module: Any, name: str, parameters: str, caller: Callable[..., Any]) -> Callable[..., Any]:
    """A function of ministack that is about to be replaced, and that `caller` calls by its name. Raises HookMoved."""
    if f"{name}(" not in inspect.getsource(caller):
        raise HookMoved(f"{module.__name__}.{name} is not called by {caller.__qualname__}")
    return used(module, name, parameters)


def used(module: Any, name: str, parameters: str) -> Callable[..., Any]:
    """A function of ministack with exactly these parameters (names with spaces between). Raises HookMoved."""
    found: Callable[..., Any] | None = getattr(module, name, None)
    if found is None:
        raise HookMoved(f"{module.__name__}.{name} does not exist")
    actual = " ".join(inspect.signature(found).parameters)
    if actual != parameters:
        raise HookMoved(f"{module.__name__}.{name} takes ({actual}), not ({parameters})")
    return found


def _not_found(name: str) -> dict[str, Any]:
    iot._broker_logger.warning("IoT rule → Lambda: function %s not found", name)
    return {}


if __name__ == "__main__":
    main()
