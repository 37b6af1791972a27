"""What the function itself does for an uplink, apart from its calls of AWS: measured within the same uplinks.

Calls are what boto3's clients would do: encode, sign, send, read the answer. Own work is the rest: the message is
parsed, its thing found, its state derived and written as a document, and errors would be translated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.uplink.messages import Message
from thingbridge.aws.clients import Clients

ROOT: Final = Path(__file__).resolve().parents[2]
WARM_UP: Final = 20


class TimedClients(Clients):
    """Clients whose calls are timed: `seconds` of processor time in calls since they were last taken."""

    def __init__(self, clients: Clients) -> None:
        super().__init__()
        self._clients = clients
        self._timed: dict[str, _TimedClient] = {}
        self.seconds = 0.0

    def __call__(self, service: str) -> Any:
        timed = self._timed.get(service)
        if timed is None:
            timed = self._timed[service] = _TimedClient(self._clients(service), self)
        return timed


class _TimedClient:
    def __init__(self, client: Any, clients: TimedClients) -> None:
        self._client, self._clients = client, clients

    def __getattr__(self, name: str) -> Any:
        timed = self.__dict__[name] = self._timed(getattr(self._client, name))
        return timed

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        clients = self._clients

        def timed(*named: Any, **arguments: Any) -> Any:
            began = time.process_time()
            try:
                answer = method(*named, **arguments)
            finally:
                clients.seconds += time.process_time() - began
            # A call that has begun: what awaits its answer.
            return self._timed(answer) if callable(answer) else answer

        return timed


def measured(settings: Mapping[str, str], uplinks: int) -> dict[str, list[float]]:
    """Milliseconds of own work, and of reading and writing the same message as JSON: in a process of its own, which has
    only what the function has. After boto3's megabytes of code, ours would no longer be in the processor's caches."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {**settings, "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda_src'}"}
    command = [sys.executable, "-m", "benchmarks.uplink.own_work", str(uplinks)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    # What the function logs comes before.
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    from handlers import composition
    from thingbridge.messaging import envelopes

    clients = TimedClients(composition.CLIENTS)
    flow = composition.upstream(os.environ, clients)
    taken: dict[str, list[float]] = {"own work": [], "json": []}
    for number in range(WARM_UP + int(sys.argv[1])):
        message = Message.numbered(number)
        clients.seconds = 0.0
        began = time.process_time()
        flow.handle(envelopes.unwrap_event(message.event))
        handled = time.process_time()
        taken["own work"].append((handled - began - clients.seconds) * 1000)
        began = time.process_time()
        json.dumps(json.loads(message.raw))
        taken["json"].append((time.process_time() - began) * 1000)
    print(json.dumps({name: values[WARM_UP:] for name, values in taken.items()}))


if __name__ == "__main__":
    main()
