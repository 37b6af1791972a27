"""AWS IoT jobs and their executions: created, read and canceled. Which of them belong to a stack: `flows.devices.jobs`.

A device follows its jobs over MQTT; that side is not here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, text, translate_errors
from thingbridge.errors import Refused

EXECUTIONS_PER_PAGE = 250
"""The most ListJobExecutionsForJob returns at once (AWS IoT API reference)."""


@dataclass(frozen=True)
class Job:
    """A job. `targets`: ARNs. `reason` and `comment`: why it was canceled. `forced`: executions in progress as well."""

    id: str
    status: str
    targets: tuple[str, ...]
    created: datetime
    reason: str = ""
    comment: str = ""
    forced: bool = False


@dataclass(frozen=True)
class Execution:
    """The execution of a job by one thing. `number` grows when the thing gets the job once more."""

    job_id: str
    thing_name: str
    number: int
    status: str
    updated: datetime | None


class Jobs:
    """The jobs of an account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @property
    def _iot(self) -> Any:
        return self._clients("iot")

    def create(
        self, job_id: str, targets: Sequence[str], settings: Mapping[str, Any], template_arn: str | None = None
    ) -> bool:
        """Create a job for these ARNs; False when another one has the id.

        `settings`: the rest of the request CreateJob. Raises Refused when AWS allows no more jobs or targets.
        """
        template = {"jobTemplateArn": template_arn} if template_arn else {}
        operation = f"create the job {job_id}"
        with translate_errors(operation):
            try:
                self._iot.create_job(jobId=job_id, targets=list(targets), **settings, **template)
            except ClientError as error:
                if code(error) == "ResourceAlreadyExistsException":
                    return False
                if code(error) == "LimitExceededException":
                    raise Refused(
                        f"{text(operation, error)}: cancel jobs that are not needed, or send it to a type or location "
                        "instead of many devices"
                    ) from error
                raise
        return True

    def describe(self, job_id: str) -> Job | None:
        """The job of that id, None if there is none."""
        with translate_errors(f"describe the job {job_id}"):
            try:
                found = self._iot.describe_job(jobId=job_id)["job"]
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None
        return Job(
            found["jobId"],
            found["status"],
            tuple(found["targets"]),
            found["createdAt"],
            found.get("reasonCode") or "",
            found.get("comment") or "",
            bool(found.get("forceCanceled")),
        )

    def executions(self, job_id: str, between_pages: Callable[[], None] = lambda: None) -> Iterator[Execution]:
        """Every execution of a job, page by page. `between_pages` may wait before the next call, for a rate."""
        request: dict[str, Any] = {"jobId": job_id, "maxResults": EXECUTIONS_PER_PAGE}
        while True:
            with translate_errors(f"list the executions of the job {job_id}"):
                answer = self._iot.list_job_executions_for_job(**request)
            yield from (_execution(job_id, each) for each in answer["executionSummaries"])
            if not answer.get("nextToken"):
                return
            request["nextToken"] = answer["nextToken"]
            between_pages()

    def details(self, execution: Execution) -> dict[str, str]:
        """What the thing has reported of an execution (`statusDetails`), empty if nothing."""
        with translate_errors(f"read the execution of the job {execution.job_id} by {execution.thing_name}"):
            try:
                answer = self._iot.describe_job_execution(
                    jobId=execution.job_id, thingName=execution.thing_name, executionNumber=execution.number
                )
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":  # The thing was deleted meanwhile.
                    raise
                return {}
        return dict(answer["execution"].get("statusDetails", {}).get("detailsMap") or {})

    def cancel(self, job_id: str, *, force: bool) -> None:
        """Cancel the executions that are queued; with `force` those in progress as well."""
        with translate_errors(f"cancel the job {job_id}"):
            self._iot.cancel_job(jobId=job_id, force=force)

    def template_arn(self, template_id: str) -> str | None:
        """The ARN of a job template, None if there is no such template."""
        with translate_errors(f"describe the job template {template_id}"):
            try:
                return str(self._iot.describe_job_template(jobTemplateId=template_id)["jobTemplateArn"])
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None


def _execution(job_id: str, answer: Mapping[str, Any]) -> Execution:
    summary = answer["jobExecutionSummary"]
    return Execution(
        job_id,
        answer["thingArn"].partition("/")[2],
        summary["executionNumber"],
        summary["status"],
        summary.get("lastUpdatedAt"),
    )
