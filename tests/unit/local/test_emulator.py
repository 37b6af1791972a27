"""The emulator: its queue of invocations, its launcher, and the report on what is relied on.

All facts are checked by `make emulator`. Here are those that the launcher itself brings about.
"""

from __future__ import annotations

import contextvars
import io
import os
import subprocess
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest
from rich.console import Console

from local.aws import LocalAws
from local.bootstrap import EMULATOR, ROOT, RUNTIME
from local.emulator.__main__ import report
from local.emulator.invocations import Invocations
from local.emulator.probes import PROBES, Account, Probe, authorizers, connections, functions, permissions, run

# The queue


def test_the_events_of_a_function_are_handled_in_the_order_of_their_arrival() -> None:
    invocations, handled = Invocations(limit=1), list[int]()
    wait([invocations.submit("f", lambda number=number: handled.append(number)) for number in range(50)], timeout=10)
    assert handled == list(range(50))


def test_no_more_than_the_limit_run_at_once_and_none_is_lost() -> None:
    invocations, gate = Invocations(limit=3), threading.Event()
    started = threading.Semaphore(0)
    running = most = 0
    lock = threading.Lock()

    def invoke() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        started.release()
        gate.wait(10)
        with lock:
            running -= 1

    futures = [invocations.submit("f", invoke) for _ in range(20)]
    for _ in range(3):
        assert started.acquire(timeout=10)
    gate.set()
    assert not wait(futures, timeout=10).not_done
    assert most == 3


def test_a_function_does_not_wait_for_another() -> None:
    invocations, gate = Invocations(limit=1), threading.Event()
    slow = invocations.submit("slow", lambda: gate.wait(10))
    assert invocations.submit("fast", lambda: "answer").result(timeout=10) == "answer"
    gate.set()
    assert slow.result(timeout=10)


def test_a_failed_invocation_does_not_stop_the_queue() -> None:
    def fail() -> None:
        raise ValueError("broken")

    invocations = Invocations(limit=1)
    failed, following = invocations.submit("f", fail), invocations.submit("f", lambda: 1)
    with pytest.raises(ValueError, match="broken"):
        failed.result(timeout=10)
    assert following.result(timeout=10) == 1


def test_an_invocation_sees_the_context_of_its_caller_and_changes_it_for_itself_alone() -> None:
    variable = contextvars.ContextVar("variable", default="")
    variable.set("the caller's")

    def invoke() -> str:
        seen = variable.get()
        variable.set("its own")
        return seen

    assert Invocations(limit=1).submit("f", invoke).result(timeout=10) == "the caller's"
    assert variable.get() == "the caller's"


# The launcher


def launch(change: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Start the launcher on a ministack that was changed by this code; it must fail before it listens."""
    return in_emulator(f"{change}\nfrom local.emulator import launcher\nlauncher.main()", directory)


def in_emulator(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run this code in ministack's environment; the functions' interpreter is its argument."""
    return subprocess.run(
        [EMULATOR.python, "-c", code, RUNTIME.python],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory), "GATEWAY_PORT": "1"},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ("del iot._dispatch_rule_to_lambda", "ministack.services.iot._dispatch_rule_to_lambda does not exist"),
        (
            "iot._dispatch_rule_to_lambda = lambda account, event: None",
            "_dispatch_rule_to_lambda takes (account event), not (account_id region function_arn event)",
        ),
        (
            "async def _invoke(name): return None\nlambda_svc._invoke = _invoke",
            "ministack.services.lambda_svc.invoke_async_with_retry is not called by _invoke",
        ),
    ],
)
def test_a_ministack_that_has_moved_a_hook_does_not_start(change: str, moved: str, tmp_path: Path) -> None:
    # inspect reads the source of a function from its file.
    module = tmp_path / "change.py"
    module.write_text(f"from ministack.services import iot, lambda_svc\n{change}\n")
    done = launch("import change", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("ministack ")
    assert moved in done.stderr
    assert done.stderr.count("\n") == 1


PRINTED = {
    "def handler(event, _): print(event, 'begins'); print(event); print(event, 'ends')": "{0} begins {0} {0} ends",
    "def handler(event, _): pass": "",
    "def handler(event, _): print(event, end='')": "{0}",
    "def handler(event, _): print(event); raise ValueError": "{0}",
    "def handler(event, _): print(event); raise SystemExit": "{0}",
}
"""Code of functions → what is logged of an invocation."""

INVOCATIONS = """
import io, sys, time, zipfile
from ministack.core.lambda_runtime import Worker
from local.emulator import launcher

def read_slowly(worker):
    for line in worker._proc.stderr:
        time.sleep(0.02)  # As with a processor that others have: longer than a pause that might be the end.
        worker._stderr_queue.put(line.removesuffix(chr(10)))

Worker._read_stderr = read_slowly
launcher.run_functions_on(sys.argv[1])
launcher.end_logs_with_the_invocation()
arn = "arn:aws:lambda:eu-west-1:000000000000:function:f"
for code in CODES:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("main.py", code)
    config = {"Runtime": "python3.11", "Handler": "main.handler", "Timeout": 20, "FunctionArn": arn}
    worker = Worker("f", config, made.getvalue())
    for event in ("first", "second"):
        print(*worker.invoke(event, event)["log"].split())
    worker.kill()
"""


def test_what_a_function_prints_is_in_the_log_of_its_own_invocation(tmp_path: Path) -> None:
    done = in_emulator(f"CODES = {list(PRINTED)}\n{INVOCATIONS}", tmp_path)
    logged = [each.format(event) for each in PRINTED.values() for event in ("first", "second")]
    assert done.stdout.splitlines() == logged, done.stderr


@pytest.mark.parametrize(
    "check",
    [
        functions.runtime_packages,
        functions.burst_of_a_rule,
        functions.throttled_event,
        functions.failed_event_of_a_rule,
        permissions.certificates_of_a_policy,
        connections.response_in_one_piece,
        authorizers.publish_with_a_token,
        authorizers.signature_first,
        authorizers.decision_of_a_connection,
        authorizers.rights_on_an_authorizer,
    ],
    ids=lambda c: c.__name__,
)
def test_what_the_launcher_changes_holds(check: object, aws: LocalAws) -> None:
    if not aws.process:
        pytest.skip("an AWS that was not started here has no launcher")
    (probe,) = [probe for probe in PROBES if probe.check is check]
    assert run(probe, Account(aws)).failure == ""


# The report


def holding(_account: Account) -> None:
    return None


def broken(_account: Account) -> None:
    raise AssertionError("got [nothing]")


def printed(*probes: Probe, directory: Path) -> tuple[int, str]:
    out = Console(file=io.StringIO(), width=100)
    code = report(out, "ministack 9.9.9", probes, Account(LocalAws(directory)))
    return code, out.file.getvalue()  # type: ignore[attr-defined]


def test_the_report_says_what_no_longer_holds_with_the_version(tmp_path: Path) -> None:
    code, text = printed(Probe("Rules fire", holding), Probe("Queues keep order", broken), directory=tmp_path)
    assert code == 1
    lines = [line for line in text.splitlines() if "✓" in line or "✗" in line or "got" in line]
    assert "Rules fire" in lines[0]
    assert "✓" in lines[0]
    assert "Queues keep order" in lines[1]
    assert "✗" in lines[1]
    assert "AssertionError: got [nothing]" in lines[2]
    assert "ministack 9.9.9: 1 of 2 facts hold" in text


def test_a_report_without_failures_is_a_success(tmp_path: Path) -> None:
    code, text = printed(Probe("Rules fire", holding), directory=tmp_path)
    assert code == 0
    assert "ministack 9.9.9: 1 of 1 facts hold" in text


def test_every_fact_is_a_sentence_of_its_own_with_a_check_of_its_own() -> None:
    facts, checks = [probe.fact for probe in PROBES], [probe.check for probe in PROBES]
    assert len(set(facts)) == len(set(checks)) == len(PROBES)
