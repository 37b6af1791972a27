"""Jobs for the devices of a stack: created for devices and groups, found, canceled. What a device does: its program.

AWS IoT keeps jobs per account, so the targets say whose a job is. A job that goes anywhere else as well is neither
shown nor canceled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thingbridge.aws.jobs import Execution, Job, Jobs
from thingbridge.devices import jobs
from thingbridge.devices.jobs import NewJob
from thingbridge.errors import Refused
from thingbridge.flows.devices.registry import DeviceRegistry


@dataclass(frozen=True)
class Progress:
    """A job, and what its devices have done of it. `details`: reports of devices, by execution."""

    job: Job
    executions: Sequence[Execution]
    details: dict[Execution, dict[str, str]]


class DeviceJobs:
    """The jobs of one stack."""

    def __init__(self, devices: DeviceRegistry, account: Jobs) -> None:
        self._devices, self._account = devices, account

    def create(self, job: NewJob) -> list[str]:
        """Create a job; the names of its targets. Every target is looked up first, with one call each.

        Raises BadInput naming the field that is wrong, and Refused for a target or template that does not exist, for a
        thing that is not a device of the stack, and for an id that is taken.
        """
        jobs.checked(job)
        groups = jobs.groups(job.targets, self._devices.fleet)
        targets = [*self._device_arns(job.targets.names), *(self._group_arn(each) for each in groups)]
        template = self._template_arn(job.template) if job.template else None
        if not self._account.create(job.id, targets, jobs.settings(job), template):
            raise Refused(
                f"the job {job.id} exists in this account and region: choose another id "
                f"(`thingbridge devices job show {job.id}` shows it)"
            )
        return jobs.target_names(targets)

    def progress(self, job_id: str, most_details: int, before_each_call: Callable[[], None] = lambda: None) -> Progress:
        """A job with all of its executions, and the reports of up to `most_details` devices that did not succeed.

        A call for each page of 250 executions, and one for each report. Raises Refused as `find` does.
        """
        job = self.find(job_id)
        executions = sorted(
            self._account.executions(job_id, before_each_call),
            key=lambda each: (each.status not in jobs.UNSUCCESSFUL, each.thing_name, each.number),
        )
        details: dict[Execution, dict[str, str]] = {}
        for each in [each for each in executions if each.status in jobs.UNSUCCESSFUL][:most_details]:
            before_each_call()
            details[each] = self._account.details(each)
        return Progress(job, executions, details)

    def cancel(self, job_id: str, *, force: bool) -> None:
        """Cancel a job: devices that have not started it will not, with `force` those that have are ended too.

        One that was canceled stays so. Raises Refused if it can't be canceled any more, and as `find` does.
        """
        job = self.find(job_id)
        if job.status == "CANCELED" and (job.forced or not force):
            return
        if job.status == "CANCELED":
            raise Refused(
                f"the job {job_id} was canceled already, without --force, and AWS IoT cancels a job once: end it on "
                f"single devices with `aws iot cancel-job-execution --job-id {job_id} --thing-name NAME --force`"
            )
        if job.status in jobs.FINISHED:
            raise Refused(f"the job {job_id} is {job.status}: there is nothing left to cancel")
        self._account.cancel(job_id, force=force)

    def find(self, job_id: str) -> Job:
        """The job of that id. A call, and one more for each device that it names.

        Raises Refused if it does not exist, goes to anything but devices and groups of the stack, or if none of its
        targets exists any more.
        """
        fleet = self._devices.fleet
        job = self._account.describe(jobs.job_id(job_id))
        if job is None:
            raise Refused(f"the job {job_id} does not exist in {fleet.region}: `aws iot list-jobs` lists the account's")
        proven = False
        for arn, name in zip(job.targets, jobs.target_names(job.targets), strict=True):
            owned = jobs.is_group_of(name, fleet) if ":thinggroup/" in arn else self._is_device(name)
            if owned is False:
                raise Refused(f"{job_id} is not a job of the stack {fleet.stack_name}: it goes to {name}")
            proven = proven or bool(owned)
        if not proven:
            raise Refused(
                f"{job_id} may not be a job of the stack {fleet.stack_name}: none of its devices exists any more "
                f"(`aws iot describe-job --job-id {job_id}` shows it)"
            )
        return job

    def _is_device(self, name: str) -> bool | None:
        """Whether a thing is a device of the stack, None if it does not exist any more."""
        try:
            return True if self._devices.find(name) else None
        except Refused:
            return False

    def _device_arns(self, names: Sequence[str]) -> list[str]:
        found = {name: self._devices.find(name) for name in names}
        if missing := [name for name, thing in found.items() if thing is None]:
            what = f"the device {missing[0]} does" if len(missing) == 1 else f"the devices {', '.join(missing)} do"
            raise Refused(
                f"{what} not exist: `thingbridge devices list` shows those of {self._devices.fleet.stack_name}"
            )
        return [thing.arn for thing in found.values() if thing]

    def _group_arn(self, group: str) -> str:
        arn = self._devices.groups.arn(group)
        if arn is None:
            raise Refused(f"the thing group {group} does not exist: create it again with `terraform apply`")
        return arn

    def _template_arn(self, template_id: str) -> str:
        arn = self._account.template_arn(template_id)
        if arn is None:
            raise Refused(
                f"the job template {template_id} does not exist in {self._devices.fleet.region}: "
                "`aws iot list-job-templates` lists those of the account"
            )
        return arn
