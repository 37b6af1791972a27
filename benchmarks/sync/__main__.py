"""`python -m benchmarks.sync [--write] [DEVICES …]`: measures, prints the table, and with --write updates docs/sync.md.

It fails when the cost per device grows with their number, or when the largest size needs more memory than the function
has. `DEVICES` are other sizes than the usual three; --write needs the usual ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "sync.md"
BEGIN, END = "<!-- benchmarks/sync -->", "<!-- /benchmarks/sync -->"
SIZES = (10_000, 100_000, 1_000_000)
MEMORY_LIMIT = 512
"""MB: the memory of the function."""

HEADINGS = (
    "devices and things",
    "time on AWS",
    "calls of the function",
    "processor time",
    "most memory",
    "ListThings",
    "List of TTS",
    "queue",
    "calls per device",
)


def measured(size: int) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lambda_src")])}
    command = [sys.executable, "-m", "benchmarks.sync.one_run", str(size)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(results: list[dict[str, Any]]) -> str:
    rows = ["| " + " | ".join(HEADINGS) + " |", "|" + "---:|" * len(HEADINGS)]
    for each in results:
        calls = each["calls"]
        minutes, seconds = divmod(round(each["seconds"]), 60)
        cells = (
            f"{each['devices']:,}",
            f"{minutes} min {seconds:02} s",
            str(each["parts"]),
            f"{each['cpu_seconds']:.1f} s",
            f"{each['memory_mb']:.0f} MB",
            f"{calls['ListThings']:,}",
            f"{calls['EndDeviceRegistry.List']:,}",
            f"{calls['SendMessage'] + calls['GetQueueAttributes']:,}",
            f"{sum(calls.values()) / each['devices']:.4f}",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def check(results: list[dict[str, Any]]) -> None:
    """The cost is linear: a device of a large fleet costs no more than one of a small fleet, continuations included."""
    small, large = results[0], results[-1]
    for figure, times in (("seconds", 1.1), ("cpu_seconds", 2)):
        assert large[figure] / large["devices"] < times * small[figure] / small["devices"], figure
    assert sum(large["calls"].values()) / large["devices"] < 1.5 * sum(small["calls"].values()) / small["devices"]
    assert large["memory_mb"] <= MEMORY_LIMIT
    # The state of a run that is continued must fit into a message of the queue.
    assert all(each["longest_message"] < 256 * 1024 for each in results)


def main() -> None:
    arguments = sys.argv[1:]
    write = "--write" in arguments
    sizes = sorted(int(each) for each in arguments if each != "--write") or SIZES
    if write and tuple(sizes) != SIZES:
        sys.exit("--write needs the usual sizes")
    results = []
    for size in sizes:
        results.append(measured(size))
        print(json.dumps(results[-1]), flush=True)
    shown = table(results)
    print(shown)
    check(results)
    if write:
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{shown}\n{END}{after}", encoding="utf-8")


main()
