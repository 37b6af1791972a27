"""What a job for devices is: its id, document, targets, and how it is rolled out, checked against AWS IoT's limits.

AWS IoT keeps jobs per account. A job belongs to a stack by its targets: those that a stack creates go to its devices
and its thing groups alone.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn

from thingbridge.devices.fleet import Fleet
from thingbridge.devices.request import type_of
from thingbridge.errors import BadInput

JOB_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Ids of jobs and of job templates (AWS IoT API reference, CreateJob)."""

NAMES_OF_TOPICS: Final = ("get", "notify", "notify-next", "start-next")
"""Ids whose topics would be those of all jobs of a thing: a device could not report such a job."""

LONGEST_DOCUMENT: Final = 32_768
"""Bytes of a job document (CreateJob; quotas of AWS IoT Device Management)."""

LONGEST_TIMEOUT: Final = 7 * 24 * 60
"""Minutes that an execution may be in progress (TimeoutConfig)."""

MOST_PER_MINUTE: Final = 1000
"""Devices that a job reaches per minute at most (JobExecutionsRolloutConfig)."""

FINISHED: Final = frozenset({"CANCELED", "COMPLETED", "DELETION_IN_PROGRESS"})
"""Statuses of a job that can't be canceled any more."""

UNSUCCESSFUL: Final = ("FAILED", "REJECTED", "TIMED_OUT")
"""Statuses of a device that did not carry out a job, by which a job may be aborted."""


class FailureType(StrEnum):
    """What counts for aborting a job."""

    ALL = "all"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed-out"

    @property
    def code(self) -> str:
        """AWS IoT's name of it."""
        return self.name


@dataclass(frozen=True)
class AbortCriterion:
    """A job is canceled once `after` devices have finished and `percentage` of them with this type of failure."""

    percentage: float
    after: int = 1
    failure: FailureType = FailureType.ALL


@dataclass(frozen=True)
class Targets:
    """Where a job goes: devices by name, and all devices of types and of locations. A device gets it once."""

    names: Sequence[str] = ()
    types: Sequence[str] = ()
    locations: Sequence[str] = ()


@dataclass(frozen=True)
class NewJob:
    """A job to be created. It has either a `document` (JSON) or the id of a job `template` with one.

    `continuous`: devices that come into its groups later get it as well. None leaves a setting to the template or, if
    there is none, to AWS IoT: no limit.
    """

    id: str
    targets: Targets
    document: str | None = None
    template: str | None = None
    continuous: bool = False
    per_minute: int | None = None
    abort: AbortCriterion | None = None
    timeout_minutes: int | None = None


def checked(job: NewJob) -> NewJob:
    """The same job. Raises BadInput naming the field that is wrong."""
    if job_id(job.id) in NAMES_OF_TOPICS:
        raise BadInput("id", f"can't be {job.id}, the name of a topic that every device has for its jobs")
    if (job.document is None) == (job.template is None):
        raise BadInput("document", "must be given, or a template: one of them")
    if job.document is not None:
        _check_document(job.document)
    if job.template is not None and not JOB_ID.fullmatch(job.template):
        raise BadInput("template", f"must have 1 to 64 of the characters A-Z a-z 0-9 _ and -; got {job.template}")
    if not (job.targets.names or job.targets.types or job.targets.locations):
        raise BadInput("targets", "must be given: at least one device, type or location")
    if job.per_minute is not None and not 1 <= job.per_minute <= MOST_PER_MINUTE:
        raise BadInput("per_minute", f"must be 1 to {MOST_PER_MINUTE:,} devices per minute; got {job.per_minute}")
    if job.timeout_minutes is not None and not 1 <= job.timeout_minutes <= LONGEST_TIMEOUT:
        raise BadInput("timeout_minutes", f"must be 1 to {LONGEST_TIMEOUT:,} minutes; got {job.timeout_minutes}")
    if job.abort is not None:
        _check_abort(job.abort)
    return job


def job_id(text: str) -> str:
    """An id that a job can have. Raises BadInput."""
    if not JOB_ID.fullmatch(text):
        raise BadInput("id", f"must have 1 to 64 of the characters A-Z a-z 0-9 _ and -; got {text}")
    return text


def groups(targets: Targets, fleet: Fleet) -> list[str]:
    """The names of the thing groups that a job goes to. Raises BadInput for a type or location of no group."""
    found = [type_of(each, fleet).group for each in targets.types]
    for each in targets.locations:
        if each not in fleet.locations:
            known = f"must be a location of the stack {fleet.stack_name}: {', '.join(sorted(fleet.locations))}"
            none = f"can't be given: the stack {fleet.stack_name} has no locations (devices.locations)"
            raise BadInput("location", f"{known}; got {each}" if fleet.locations else none)
        found.append(fleet.locations[each])
    return list(dict.fromkeys(found))


def is_group_of(group: str, fleet: Fleet) -> bool:
    """Whether a thing group belongs to the stack: its name begins with that of the stack, which has no colon."""
    return group.startswith(f"{fleet.stack_name}:")


def target_names(targets: Iterable[str]) -> list[str]:
    """The names of things and thing groups, out of their ARNs."""
    return [arn.partition("/")[2] for arn in targets]


def settings(job: NewJob) -> dict[str, Any]:
    """How a job is rolled out, as a part of the request CreateJob; only what was given."""
    found: dict[str, Any] = {"targetSelection": "CONTINUOUS" if job.continuous else "SNAPSHOT"}
    if job.document is not None:
        found["document"] = job.document
    if job.per_minute is not None:
        found["jobExecutionsRolloutConfig"] = {"maximumPerMinute": job.per_minute}
    if job.timeout_minutes is not None:
        found["timeoutConfig"] = {"inProgressTimeoutInMinutes": job.timeout_minutes}
    if job.abort is not None:
        criterion = {
            "action": "CANCEL",
            "failureType": job.abort.failure.code,
            "minNumberOfExecutedThings": job.abort.after,
            "thresholdPercentage": job.abort.percentage,
        }
        found["abortConfig"] = {"criteriaList": [criterion]}
    return found


def _check_document(text: str) -> None:
    if (length := len(text.encode())) > LONGEST_DOCUMENT:
        raise BadInput(
            "document",
            f"must have at most {LONGEST_DOCUMENT:,} bytes; got {length:,}: put the data elsewhere, and its URL here",
        )
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadInput("document", f"must be a JSON object: {error}") from error
    if not isinstance(value, dict):
        raise BadInput("document", f"must be a JSON object; got {text[:40]}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _check_abort(abort: AbortCriterion) -> None:
    # AWS IoT takes a threshold of two decimal digits, and none of 0.
    if not 0 < abort.percentage <= 100 or round(abort.percentage, 2) != abort.percentage:
        raise BadInput(
            "abort", f"must be more than 0 and at most 100, with two decimal digits at most; got {abort.percentage:g}"
        )
    if abort.after < 1:
        raise BadInput("abort_after", f"must be at least 1 device; got {abort.after}")
