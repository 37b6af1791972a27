"""The start of a function: our import and first client, and boto3's, each in a process of its own, alternately."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

_PROGRAM = """
import time
began = time.process_time()
{work}
took = time.process_time() - began
import json, resource, sys
if sys.platform == "linux":  # there, ru_maxrss is at least that of the process which started this one
    status = open("/proc/self/status").read()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** 2
print(json.dumps([1000 * took, peak]))
"""
_OURS = "import handlers.upstream\nfrom handlers import composition\ncomposition.CLIENTS('iot-data')"
_PLAIN = "import boto3\nboto3.client('iot-data')"
_CERTIFICATES = "\nimport ssl\nssl.create_default_context()"


class Start(NamedTuple):
    """Milliseconds of processor time, and the most memory in MB."""

    milliseconds: float
    peak: float


def measured(settings: Mapping[str, str], bytecode: Path, runs: int) -> dict[str, list[Start]]:
    """The starts, without the interpreter's own.

    `…, https`: with the certificates of all authorities read, as the first call to AWS needs them. Ours reads them
    while it starts, if it is to call an https URL. `bytecode`: folder for the compiled modules.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    environment |= {**settings, "PYTHONPATH": f"{ROOT / 'lambda_src'}", "PYTHONPYCACHEPREFIX": str(bytecode)}
    secure = {name: value for name, value in environment.items() if name != "AWS_ENDPOINT_URL"}
    programs = {
        "our start": (_OURS, environment),
        "plain start": (_PLAIN, environment),
        "our start, https": (_OURS, secure),
        "plain start, https": (_PLAIN + _CERTIFICATES, secure),
    }
    for each in programs.values():
        _run(*each)
    taken: dict[str, list[Start]] = {name: [] for name in programs}
    for _ in range(runs):
        for name, each in programs.items():
            taken[name].append(_run(*each))
    return taken


def _run(work: str, environment: Mapping[str, str]) -> Start:
    command = [sys.executable, "-c", _PROGRAM.format(work=work)]
    done = subprocess.run(command, env=dict(environment), check=True, capture_output=True, text=True)
    return Start(*json.loads(done.stdout))
