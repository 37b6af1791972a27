"""A device that follows its jobs: MQTT with its certificate. It takes over settings, and downloads firmware.

    pip install paho-mqtt
    python follow_jobs.py hall-3-probe

The directory is one that `thingbridge devices create NAME --directory` has written. Documents of jobs:

    {"operation": "configure", "settings": {"reporting_interval": 30}}
    {"operation": "firmware", "version": "1.3.0", "url": "https://…", "sha256": "…"}

Settings are merged into settings.json, firmware is written to firmware-<version>.bin, both in the directory. Replace
`perform` with what your device does. A device that was switched off in between gets the same job again: what `perform`
does must be repeatable.
"""

import argparse
import hashlib
import json
import queue
import re
import ssl
import threading
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho

LONGEST_REASON = 1024
"""Characters of a value in statusDetails, none of them a control character."""


class Outcome(NamedTuple):
    """What is reported of a job. `state`: what the shadow reports from then on."""

    status: str
    details: dict[str, str]
    state: dict[str, Any] | None = None


def unsuccessful(status: str, reason: str) -> Outcome:
    printable = "".join(each if each.isprintable() else " " for each in reason)
    return Outcome(status, {"reason": printable[:LONGEST_REASON]})


def download(url: str, file: Path) -> None:
    with urllib.request.urlopen(url, timeout=60) as source, file.open("wb") as target:  # noqa: S310 - https, see below
        while piece := source.read(65536):
            target.write(piece)


def perform(directory: Path, document: dict[str, Any], fetch: Callable[[str, Path], None] = download) -> Outcome:
    """Carry out a job. A document that this device does not understand is rejected; what goes wrong has failed."""
    try:
        match document:
            case {"operation": "configure", "settings": dict(settings)}:
                return configure(directory / "settings.json", settings)
            case {"operation": "firmware", "version": str(version), "url": str(url), "sha256": str(sha256)}:
                if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,30}", version) or not url.startswith("https://"):
                    return unsuccessful("REJECTED", "version must be such as 1.3.0, and url begin with https://")
                return install(directory / f"firmware-{version}.bin", version, sha256, partial(fetch, url))
    except (OSError, ValueError) as error:
        return unsuccessful("FAILED", str(error) or type(error).__name__)
    return unsuccessful(
        "REJECTED", 'operation must be "configure" with settings, or "firmware" with version, url and sha256'
    )


def configure(file: Path, changes: dict[str, Any]) -> Outcome:
    settings = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    written = file.with_suffix(".part")
    written.write_text(json.dumps({**settings, **changes}), encoding="utf-8")
    written.replace(file)
    return Outcome("SUCCEEDED", {}, changes)


def install(file: Path, version: str, sha256: str, fetch: Callable[[Path], None]) -> Outcome:
    written = file.with_suffix(".part")
    try:
        fetch(written)
        with written.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != sha256.lower():
            return unsuccessful("FAILED", f"the file has the SHA-256 {found}, not {sha256}")
        written.replace(file)
    finally:
        written.unlink(missing_ok=True)
    return Outcome("SUCCEEDED", {"version": version}, {"firmware_version": version})


class Jobs:
    """The jobs of one thing, carried out one by one.

    `publish`: a topic, and an object that is sent as JSON. `patience`: seconds to wait for the answer to a report.
    """

    def __init__(
        self,
        thing: str,
        publish: Callable[[str, dict[str, Any]], object],
        act: Callable[[dict[str, Any]], Outcome],
        patience: float = 30.0,
    ) -> None:
        self._topic, self._shadow = f"$aws/things/{thing}/jobs", f"$aws/things/{thing}/shadow/update"
        self._publish, self._act, self._patience = publish, act, patience
        self._handed: queue.Queue[dict[str, Any]] = queue.Queue()
        self._last: tuple[object, Outcome] | None = None
        self._answered = threading.Event()
        answers = ("start-next/accepted", "start-next/rejected", "+/update/accepted", "+/update/rejected")
        self.filters = [(f"{self._topic}/{each}", 1) for each in ("notify-next", *answers)]

    def start_next(self) -> None:
        """Ask for the next job: after each connection, as jobs may have come meanwhile, and when one is announced."""
        self._publish(f"{self._topic}/start-next", {})

    def receive(self, topic: str, message: dict[str, Any]) -> None:
        """A message on one of the filters. It is called from the thread of the connection, and does not wait."""
        kind = topic.removeprefix(f"{self._topic}/")
        if kind == "notify-next" and "execution" in message:
            self.start_next()
        elif kind == "start-next/accepted" and "execution" in message:
            self._handed.put(message["execution"])
        elif kind.endswith("/rejected"):
            # Of an update: the job was canceled or has timed out. There is nothing to repeat.
            print("rejected:", kind, json.dumps(message))
        if "/update/" in kind:
            self._answered.set()

    def work(self) -> None:
        """Wait for a job, carry it out, and report it."""
        while True:
            execution = self._handed.get()
            key = execution["jobId"], execution["executionNumber"]
            if self._last is None or self._last[0] != key:
                print("job:", execution["jobId"], json.dumps(execution["jobDocument"]))
                self._last = key, self._act(execution["jobDocument"])
            elif self._answered.is_set():
                continue  # It was handed twice.
            # Handed again without an answer: the report was lost with the connection.
            self._report(execution, self._last[1])
            return

    def _report(self, execution: dict[str, Any], outcome: Outcome) -> None:
        self._answered.clear()
        if outcome.state is not None:
            self._publish(self._shadow, {"state": {"reported": outcome.state}})
        update = {
            "status": outcome.status,
            "statusDetails": outcome.details,
            "executionNumber": execution["executionNumber"],
        }
        self._publish(f"{self._topic}/{execution['jobId']}/update", update)
        print("reported:", outcome.status, json.dumps(outcome.details))
        if not self._answered.wait(self._patience):
            print("no answer: it is reported again after the next connection")


def connected(given: argparse.Namespace) -> tuple[paho.Client, Jobs]:
    device = json.loads((given.directory / "device.json").read_text(encoding="utf-8"))
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=device["clientId"])
    context = ssl.create_default_context(cafile=str(given.directory / "ca.pem"))
    context.load_cert_chain(given.directory / "certificate.pem", given.directory / "private.key")
    client.tls_set_context(context)
    jobs = Jobs(
        device["thingName"],
        lambda topic, message: client.publish(topic, json.dumps(message), qos=1),
        partial(perform, given.directory),
    )

    def on_connect(_client: paho.Client, _userdata: object, _flags: object, code: object, _properties: object) -> None:
        print("connected:", code)
        client.subscribe(jobs.filters)

    def on_disconnect(_client: paho.Client, _userdata: object, _flags: object, code: object, _: object) -> None:
        print("disconnected:", code)

    client.on_connect, client.on_disconnect = on_connect, on_disconnect
    client.on_subscribe = lambda *_: jobs.start_next()
    client.on_message = lambda _client, _userdata, message: jobs.receive(message.topic, json.loads(message.payload))
    host, _, port = (given.server or f"{device['endpoint']}:{device['port']}").partition(":")
    client.connect(host, int(port))
    return client, jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="directory of the device's credentials")
    parser.add_argument("--count", type=int, help="end after so many jobs")
    parser.add_argument("--server", metavar="HOST:PORT", help="instead of the endpoint in device.json")
    given = parser.parse_args()
    client, jobs = connected(given)
    client.loop_start()
    done = 0
    while given.count is None or done < given.count:
        jobs.work()
        done += 1
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
