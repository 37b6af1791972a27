"""Both registries and the queue in memory, behind the calls that the product makes; each takes time and has a quota.

Nothing is stored: a device and a thing follow from their number, so that only the product's own memory is measured.
"""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from thingbridge.aws.queues import PARALLEL_CALLS
from thingbridge.registry.marks import Mark, Owner

STACK: Final = "farm"
OWNER: Final = Owner("eu-west-1", "123456789012", STACK)
CPU_SHARE: Final = 512 / 1769
"""Share of a processor that a function with 512 MB has; 1769 MB have a whole one (AWS Lambda Developer Guide)."""

DRIFT: Final = 200
"""One in this many devices is out of step."""

ITEMS_PER_PAGE: Final = 10_000
"""Items of the directory that a Scan returns at once: a page of DynamoDB has 1 MB."""

QUOTAS: Final = {"ListThings": 10, "EndDeviceRegistry.List": 5}
"""Calls per second: AWS IoT's quota for an account, and an assumption about The Things Stack."""

SECONDS: Final = {
    "ListThings": 0.10,
    "EndDeviceRegistry.List": 0.40,
    "SendMessage": 0.015 / PARALLEL_CALLS,
    "GetQueueAttributes": 0.01,
    "Scan": 0.10,
}
"""Duration of a call: estimates for one region and full pages."""


class Clock:
    """Simulated seconds: the time of calls and waits, and this process's computing time at the function's speed."""

    def __init__(self) -> None:
        self._passed = 0.0
        self._own = 0.0

    def __call__(self) -> float:
        return self._passed + self.cpu_seconds() / CPU_SHARE

    def cpu_seconds(self) -> float:
        """Computing time of the product, on this machine's processor."""
        return time.process_time() - self._own

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Exclude the time that the registries need to compute an answer."""
        begun = time.process_time()
        yield
        self._own += time.process_time() - begun

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds


class Account:
    """AWS and The Things Stack with `size` devices and about as many things."""

    def __init__(self, size: int) -> None:
        self.clock = Clock()
        self.calls: Counter[str] = Counter()
        self.sent: list[str] = []
        self._size = size
        self._lock = threading.Lock()
        self._recent = {name: deque[float]() for name in QUOTAS}

    def _called(self, operation: str) -> None:
        self.calls[operation] += 1
        if recent := self._recent.get(operation):
            while recent and recent[0] <= self.clock() - 1:
                recent.popleft()
            assert len(recent) < QUOTAS[operation], f"{operation}: more than {QUOTAS[operation]} calls within a second"
        if operation in self._recent:
            self._recent[operation].append(self.clock())
        self.clock.sleep(SECONDS[operation])

    # AWS IoT and SQS: the operations of boto3

    def __call__(self, _service: str) -> "Account":
        """The client of a service, as `Clients` returns it."""
        return self

    def list_things(self, *, maxResults: int, nextToken: str = "0", **_: str) -> dict[str, Any]:  # noqa: N803
        self._called("ListThings")
        start = int(nextToken)
        end = min(start + maxResults, self._size)
        with self.clock.stopped():
            # AWS promises no order of things; this one has nothing to do with that of the devices.
            numbers = [place * 7919 % self._size for place in range(start, end)]
            things = [{"thingName": name(n), "attributes": attributes(n)} for n in numbers if has_thing(n)]
            text = json.dumps({"things": things, **({"nextToken": str(end)} if end < self._size else {})})
        return dict(json.loads(text))

    def scan(self, *, ExclusiveStartKey: dict[str, Any] | None = None, **_: str) -> dict[str, Any]:  # noqa: N803
        self._called("Scan")
        start = int(ExclusiveStartKey["number"]["N"]) if ExclusiveStartKey else 0
        end = min(start + ITEMS_PER_PAGE, self._size)
        with self.clock.stopped():
            text = json.dumps([directory_item(number) for number in range(start, end) if has_thing(number)])
            following = {"LastEvaluatedKey": {"number": {"N": str(end)}}} if end < self._size else {}
        return {"Items": json.loads(text), **following}

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        self._called("GetQueueAttributes")
        return {"Attributes": dict.fromkeys(request["AttributeNames"], "0")}

    def send_message(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            self._called("SendMessage")
            self.sent.append(request["MessageBody"])
        return {"MessageId": str(len(self.sent))}

    # The Things Stack: the operations of `EndDevices`

    @property
    def end_devices(self) -> "Account":
        """The area of the API, as `ThingsStack` has it."""
        return self

    def page(self, page: int, limit: int, _paths: Sequence[str]) -> tuple[Sequence[dict[str, Any]], int]:
        self._called("EndDeviceRegistry.List")
        numbers = range((page - 1) * limit, min(page * limit, self._size))
        with self.clock.stopped():
            text = json.dumps({"end_devices": [end_device(n) for n in numbers]})
        return list(json.loads(text)["end_devices"]), self._size


def name(number: int) -> str:
    return eui(number)


def eui(number: int) -> str:
    return f"A81758FF{number * 2_654_435_761 % 2**32:08X}"


def attributes(number: int) -> dict[str, str]:
    """Attributes of the thing in a fleet that was created from AWS, with its keys."""
    return {
        "devEUI": eui(number),
        "stackName": STACK,
        "deviceID": f"eui-{eui(number).lower()}",
        "joinEUI": "A81758FFFE000001",
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": f"{number + 1:032X}",
    }


def directory_item(number: int) -> dict[str, Any]:
    """What the directory knows of a device with a thing."""
    return {"device": {"S": eui(number)}, "thing": {"S": name(number)}, "as_of": {"N": "1767225600000000"}}


def has_thing(number: int) -> bool:
    return number % (2 * DRIFT) != 0


def end_device(number: int) -> dict[str, Any]:
    """A device. Half of those that are out of step have no thing and no mark, half the mark of an earlier state."""
    mark = Mark.of(name(number), attributes(number), OWNER)
    if number % (2 * DRIFT) == DRIFT:
        mark = Mark(mark.thing_name, OWNER, "0" * 16)
    ids = {
        "device_id": f"eui-{eui(number).lower()}",
        "application_ids": {"application_id": "farm-app"},
        "dev_eui": eui(number),
        "join_eui": "A81758FFFE000001",
    }
    stamps = {"created_at": "2025-01-02T03:04:05.678901Z", "updated_at": "2025-01-02T03:04:05.678901Z"}
    return {"ids": ids, **stamps, "attributes": mark.attributes() if has_thing(number) else {}}
