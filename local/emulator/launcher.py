"""Starts ministack with nine changes: `python -m local.emulator.launcher PYTHON`, in ministack's own environment.

- The events that a topic rule or an asynchronous Invoke sends to a function wait in a queue (invocations.py). ministack
  starts a process for each of them at once, until none answers within its timeout.
- An event that Lambda throttles stays in that queue, as on AWS. ministack drops those of a topic rule.
- An event of a topic rule that a function fails on is invoked again and then sent to the function's destination, as any
  asynchronous one. ministack makes one attempt.
- Functions in Python run on `PYTHON`, the interpreter of the environment that stands for a Lambda runtime, not on
  ministack's: a package that is missing in a zip or a layer is missing here as well.
- What a function prints is in the log of its own invocation: its process ends it with a mark. ministack takes what came
  until 5 ms without a line, so that the end of a log may be in that of the next invocation, and waits for 50 ms when
  nothing is printed.
- IAM checks what is done with Lambda as the action that it is, and AttachPolicy on the certificate, CreateFunction on
  the function and so on, as AWS does (iam.py), so rights that name them suffice. ministack checks them on no resource.
- ListNamedShadowsForThing answers with the names of a thing's named shadows. ministack does not have it.
- A response is sent in one piece: the AWS SDK for Go, with which Terraform's provider is made, loses a response whose
  head arrives alone now and then, and repeats what is done already.
- `POST /things`, which AWS IoT does not have, creates many things at once: a registry of 100,000 is filled in seconds.
- AWS IoT has custom authorizers, and admits publishes over HTTPS by them (authorizers.py). ministack has none.

With RECORDS in its environment, it also writes to that file what is billed (recorder.py), and who does what by which
rights (rights.py).

Synchronous invocations, and event source mappings, which ministack bounds itself, are left as they are. If ministack
has changed so that this no longer fits, the start fails and names what has moved.
"""

from __future__ import annotations

import contextvars
import functools
import importlib.metadata
import inspect
import json
import os
import queue
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
from ministack.services import eventbridge, iot, iot_data, lambda_svc, scheduler, sqs

from local.emulator import iam, recorder, rights
from local.emulator.authorizers import NAME_HEADER, Authorizers, Denied, forbidden
from local.emulator.invocations import CONCURRENCY, Invocations
from local.processes import end_with_caller

RECORDS = "THINGBRIDGE_LOCAL_RECORDS"
"""Variable with the file that what is billed and who does what is recorded in; nothing is recorded without it."""

THROTTLED_SECONDS = 0.2
"""How long a throttled event waits before it is tried again."""

END_OF_LOG = "\x1eend of the invocation"
"""What the process of a function in Python prints after the handler, in a line of its own or at the end of one."""

LONGEST_LOG_SECONDS = 30.0
"""How long that line is awaited: a process that the function has started may keep the pipe open without it."""

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
        end_logs_with_the_invocation()
        check_as_aws_does()
        list_named_shadows()
        send_responses_in_one_piece()
        create_things_at_once()
        admit_by_authorizers()
        if file := os.environ.pop(RECORDS, None):
            record(Path(file))
    except HookMoved as moved:
        sys.exit(
            f"ministack {importlib.metadata.version('ministack')} does not fit local/emulator/launcher.py: {moved}"
        )
    app.main()


def queue_events_of_rules(invocations: Invocations) -> None:
    """Replace what the `lambda` action of a topic rule does: an asynchronous invocation, with its retries."""
    original(iot, "_dispatch_rule_to_lambda", "account_id region function_arn event", iot._dispatch_rule_action)
    find = used(lambda_svc, "_get_func_record_for_ref_in_scope", "function_ref account_id region")
    record_of = used(lambda_svc, "_execution_record_for_config", "func config")
    execute = used(lambda_svc, "_execute_function_with_config_scope", "func event")
    used(lambda_svc, "invoke_async_with_retry", "func event")

    def dispatch(account_id: str, region: str, function_arn: str, event: object) -> None:
        def attempt() -> dict[str, Any]:
            # Looked up for each attempt: since it was queued, the function may have been updated or deleted.
            function, config, name = find(function_arn, account_id=account_id, region=region)
            if not function or not config:
                return _not_found(name)
            record = record_of(function, config)
            answer = dict(execute(record, event))
            if answer.get("error") and not answer.get("throttle"):
                # Only now: it needs a thread of its own for each event.
                lambda_svc.invoke_async_with_retry(_tried_once(record), event)
            return answer

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


def end_logs_with_the_invocation() -> None:
    """Have the processes of functions in Python mark the end of an invocation's log, and read the log up to there."""
    worker = lambda_runtime.Worker
    parameters = "self first_line_wait idle_confirm hard_cap"
    drain = original(worker, "_drain_stderr_bounded", parameters, worker.invoke)
    after_the_handler = "        _real_stdout.flush()\n\nrun()\n"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(after_the_handler) != 1:
        raise HookMoved("ministack.core.lambda_runtime._PYTHON_WORKER_SCRIPT does not end with the handler's result")
    mark = f"        print({END_OF_LOG!r}, file=sys.stderr, flush=True)\n"
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(after_the_handler, mark + after_the_handler)

    def drain_to_the_end(self: Any, *arguments: Any, **named: Any) -> str:
        if not self.config.get("Runtime", "").startswith("python"):
            return str(drain(self, *arguments, **named))
        lines: list[str] = []
        deadline = time.monotonic() + LONGEST_LOG_SECONDS
        while time.monotonic() < deadline:
            ended = not self._stderr_thread.is_alive()
            try:
                line = self._stderr_queue.get(timeout=0.0 if ended else 0.1)
            except queue.Empty:
                if ended:
                    break
                continue
            rest, mark, _ = line.partition(END_OF_LOG)
            lines += [rest] if rest or not mark else []
            if mark:
                break
        return "\n".join(lines)

    worker._drain_stderr_bounded = drain_to_the_end


def check_as_aws_does() -> None:
    """Give IAM the action of a request to Lambda, and the resources that ministack finds none for."""
    action = original(iam_actions, "_lambda_action", "method path", iam_actions.extract_iam_action)
    used(iam_actions, "_match_rest_action", "service method path query_params")
    iam_actions._lambda_action = iam.use_operations_of_lambda(iam_actions, action)
    action_of = used(iam_actions, "extract_iam_action", "service method path headers body query_params")
    parameters = "service method path headers body query_params region account_id"
    extract = original(iam_actions, "extract_resource_arn", parameters, app._dispatch_service_request)

    def extract_resource_arn(*request: Any) -> str:
        service, method, path, headers, body, query, region, account = request
        if (found := str(extract(*request))) != "*":
            return iam.narrower(found, headers, body)
        action = action_of(service, method, path, headers, body, query)
        return iam.resource(action, path, body, query, region, account)

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


def create_things_at_once() -> None:
    """Add `POST /things`: its body has the attributes of each thing, by its name."""
    control = used(iot, "handle_request", "method path headers body query_params")
    create = used(iot, "_create_thing", "name payload")

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        if (method, path) != ("POST", "/things"):
            return await control(method, path, headers, body, query_params)
        for name, attributes in json.loads(body).items():
            create(name, {"attributePayload": {"attributes": attributes}})
        return json_response({})

    iot.handle_request = handle_request


def admit_by_authorizers() -> None:
    """Add authorizers to AWS IoT, and let them decide on a publish that names one, before IAM would miss its key."""
    existing, connection = Authorizers(), contextvars.ContextVar[object]("connection", default=None)
    serve = used(app, "app", "scope receive send")
    parameters = "method path headers body query_params request_id"
    dispatch = original(app, "_dispatch_service_request", parameters, serve)
    control = used(iot, "handle_request", "method path headers body query_params")

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        # The client's address and port: each connection has its own.
        connection.set(scope.get("client"))
        await serve(scope, receive, send)

    @functools.wraps(dispatch)  # What it calls is looked for in the original's source.
    async def dispatch_service_request(method: str, path: str, headers: dict[str, str], *others: Any) -> Any:
        if method != "POST" or not path.startswith("/topics/") or NAME_HEADER not in headers:
            return await dispatch(method, path, headers, *others)
        body, query, _request_id = others
        try:
            await existing.admit(path.removeprefix("/topics/"), headers, connection.get())
        except Denied as denied:
            iot._broker_logger.warning("IoT authorizer: %s", denied)
            return forbidden()
        return await app.SERVICE_HANDLERS["iot-data"](method, path, headers, body, query)

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if path.startswith(("/authorizer/", "/authorizers")):
            return await existing.handle(method, path, body)
        return await control(method, path, headers, body, query)

    app.app, app._dispatch_service_request, iot.handle_request = asgi, dispatch_service_request, handle_request


def record(file: Path) -> None:
    """Write what is billed, and who does what, to a file. After the changes above: it records what they do."""
    records = recorder.Recorder(file)
    record_rights(records)
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


def record_rights(records: recorder.Recorder) -> None:
    """Write who does what, and by which policies."""
    made = rights.Rights(records, iam_evaluator)
    used(iam_evaluator, "resolve_caller_identity", "access_key_id")
    used(iam_evaluator, "_gather_role_policies", "role_name account_id")
    used(iam_evaluator, "evaluate", "ctx policies limits")
    parameters = "access_key_id iam_action service region resource_arn service_context"
    rights.record_decisions(
        made, iam_evaluator, original(iam_evaluator, "enforce", parameters, app._dispatch_service_request)
    )
    action = used(iam_actions, "extract_iam_action", "service method path headers body query_params")
    access_key = used(app, "extract_access_key_id", "headers query_params")
    rights.record_unchecked(made, iam_evaluator, iam_actions, action, access_key)
    rights.record_policies(records, app.SERVICE_HANDLERS)
    rights.record_rules(made, iot, original, used)
    rights.record_functions(made, lambda_svc, sqs, original, used)
    rights.record_schedules(made, scheduler, eventbridge, original)


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


def _tried_once(record: dict[str, Any]) -> dict[str, Any]:
    """A function with one retry less than it is configured with: two by default."""
    configured = record.get("event_invoke_config") or {}
    retries = configured.get("MaximumRetryAttempts")
    left = max(0, (2 if retries is None else int(retries)) - 1)
    return {**record, "event_invoke_config": {**configured, "MaximumRetryAttempts": left}}


def _not_found(name: str) -> dict[str, Any]:
    iot._broker_logger.warning("IoT rule → Lambda: function %s not found", name)
    return {}


if __name__ == "__main__":
    main()
