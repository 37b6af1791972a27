"""examples/devices/follow_jobs.py: what it does for a job, and what it publishes for what it receives."""

import hashlib
import importlib.util
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.documents import ROOT

JOBS = "$aws/things/probe-1/jobs"
FIRMWARE = b"new firmware"
SHA256 = hashlib.sha256(FIRMWARE).hexdigest()


@pytest.fixture(scope="module")
def example() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "follow_jobs", ROOT / "examples" / "devices" / "follow_jobs.py"
    )
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Broker:
    """AWS IoT as the example meets it: it hands what waits, and answers each update."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.waiting: list[dict[str, Any]] = []
        self.answer: str | None = "accepted"
        self.receive: Callable[[str, dict[str, Any]], None]

    def publish(self, topic: str, message: dict[str, Any]) -> None:
        self.published.append((topic, message))
        if topic == f"{JOBS}/start-next":
            self.receive(f"{topic}/accepted", {"execution": self.waiting[0]} if self.waiting else {"timestamp": 1})
        elif topic.endswith("/update") and "/jobs/" in topic and self.answer:
            self.waiting = self.waiting[1:]
            self.receive(f"{topic}/{self.answer}", {"timestamp": 1})

    def updates(self) -> list[tuple[str, dict[str, Any]]]:
        return [(topic, message) for topic, message in self.published if topic.endswith("/update")]


def execution(job: str, **document: Any) -> dict[str, Any]:
    return {"jobId": job, "executionNumber": 1, "status": "IN_PROGRESS", "jobDocument": document}


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def jobs(example: ModuleType, broker: Broker, tmp_path: Path) -> Any:
    followed = example.Jobs("probe-1", broker.publish, lambda document: example.perform(tmp_path, document))
    broker.receive = followed.receive
    return followed


def test_settings_are_merged_and_reported_in_shadow_and_job(jobs: Any, broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"active": true, "reporting_interval": 60}')
    broker.waiting.append(execution("slow", operation="configure", settings={"reporting_interval": 30}))
    jobs.start_next()
    jobs.work()
    assert json.loads((tmp_path / "settings.json").read_text()) == {"active": True, "reporting_interval": 30}
    assert broker.updates() == [
        ("$aws/things/probe-1/shadow/update", {"state": {"reported": {"reporting_interval": 30}}}),
        (f"{JOBS}/slow/update", {"status": "SUCCEEDED", "statusDetails": {}, "executionNumber": 1}),
    ]


def test_an_announced_job_is_started_and_an_empty_queue_is_not(jobs: Any, broker: Broker) -> None:
    broker.receive(f"{JOBS}/notify-next", {"timestamp": 1})
    assert not broker.published
    broker.waiting.append(execution("slow", operation="configure", settings={}))
    broker.receive(f"{JOBS}/notify-next", {"timestamp": 1, "execution": {"jobId": "slow", "status": "QUEUED"}})
    jobs.work()
    assert broker.updates()[-1][1]["status"] == "SUCCEEDED"


def test_a_job_that_is_handed_twice_is_carried_out_and_reported_once(
    example: ModuleType, broker: Broker, tmp_path: Path
) -> None:
    carried_out: list[Any] = []

    def act(document: dict[str, Any]) -> Any:
        carried_out.append(document["number"])
        return example.Outcome("SUCCEEDED", {})

    jobs = example.Jobs("probe-1", broker.publish, act)
    broker.receive = jobs.receive
    broker.waiting += [execution("one", number=1), execution("two", number=2)]
    jobs.start_next()
    jobs.start_next()
    jobs.work()
    jobs.start_next()
    jobs.work()
    assert carried_out == [1, 2]
    assert [topic for topic, _ in broker.updates()] == [f"{JOBS}/one/update", f"{JOBS}/two/update"]


def test_a_report_that_was_lost_is_repeated_without_doing_the_job_again(example: ModuleType, broker: Broker) -> None:
    carried_out: list[Any] = []

    def act(document: dict[str, Any]) -> Any:
        carried_out.append(document)
        return example.Outcome("SUCCEEDED", {})

    jobs = example.Jobs("probe-1", broker.publish, act, patience=0.0)
    broker.receive, broker.answer = jobs.receive, None
    broker.waiting.append(execution("one"))
    jobs.start_next()
    jobs.work()
    broker.answer = "accepted"
    jobs.start_next()
    jobs.work()
    assert len(carried_out) == 1
    assert [message["status"] for _, message in broker.updates()] == ["SUCCEEDED", "SUCCEEDED"]


def test_a_report_that_is_refused_is_not_repeated(
    jobs: Any, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.answer = "rejected"
    broker.waiting.append(execution("canceled", operation="configure", settings={}))
    jobs.start_next()
    worker = threading.Thread(target=jobs.work)
    worker.start()
    worker.join(10)
    assert not worker.is_alive()
    assert len([topic for topic, _ in broker.updates() if "/jobs/" in topic]) == 1
    assert "rejected: canceled/update/rejected" in capsys.readouterr().out


def firmware(**changes: Any) -> dict[str, Any]:
    document = {"operation": "firmware", "version": "1.3.0", "url": "https://example.com/1.3.0", "sha256": SHA256}
    return {**document, **changes}


def test_firmware_is_downloaded_checked_and_reported_as_the_version_of_the_device(
    example: ModuleType, tmp_path: Path
) -> None:
    outcome = example.perform(tmp_path, firmware(), lambda _url, file: file.write_bytes(FIRMWARE))
    assert outcome == ("SUCCEEDED", {"version": "1.3.0"}, {"firmware_version": "1.3.0"})
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("firmware-1.3.0.bin", FIRMWARE)]


@pytest.mark.parametrize("content", [b"", b"other firmware", None])
def test_firmware_that_can_not_be_had_or_is_another_leaves_nothing(
    example: ModuleType, tmp_path: Path, content: bytes | None
) -> None:
    def fetch(_url: str, file: Path) -> None:
        file.write_bytes(content or b"the beginning")
        if content is None:
            raise OSError("the connection\nwas lost")

    outcome = example.perform(tmp_path, firmware(), fetch)
    assert outcome.status == "FAILED"
    assert ("the connection was lost" if content is None else "SHA-256") in outcome.details["reason"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"operation": "restart"},
        {"operation": "configure", "settings": []},
        {"operation": "firmware", "version": "1.3.0"},
        firmware(url="http://example.com/1.3.0"),
        firmware(url="file:///etc/passwd"),
        firmware(version="../1.3.0"),
    ],
)
def test_what_the_device_does_not_understand_is_rejected_with_a_reason(
    example: ModuleType, tmp_path: Path, document: dict[str, Any]
) -> None:
    def fetch(_url: str, _file: Path) -> None:
        raise AssertionError("it was downloaded")

    outcome = example.perform(tmp_path, document, fetch)
    assert outcome.status == "REJECTED"
    assert outcome.details["reason"]
    assert not list(tmp_path.iterdir())
