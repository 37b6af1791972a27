"""Jobs of a stack: created for what exists, and neither shown nor canceled when they go anywhere else."""

from typing import Any

import pytest

from tests.unit.conftest import AnswerWith
from tests.unit.flows.devices.conftest import Fail
from thingbridge.aws.clients import Clients
from thingbridge.aws.jobs import Jobs
from thingbridge.devices.jobs import AbortCriterion, NewJob, Targets
from thingbridge.errors import Busy, Refused
from thingbridge.flows.devices.jobs import DeviceJobs
from thingbridge.flows.devices.registry import DeviceRegistry

DOCUMENT = '{"operation": "restart"}'


@pytest.fixture
def iot(clients: Clients, devices: DeviceRegistry) -> Any:
    """The account, with two devices of the stack and two other things."""
    client = clients("iot")
    for name, thing_type in (("probe-1", "farm:temperature"), ("probe-2", "farm:pressure"), ("barn", "lorawan")):
        client.create_thing(thingName=name, thingTypeName=thing_type)
    client.create_thing_group(thingGroupName="orchard:devices")
    clients.take_calls()
    return client


@pytest.fixture
def jobs(clients: Clients, devices: DeviceRegistry, iot: Any) -> DeviceJobs:
    return DeviceJobs(devices, Jobs(clients))


@pytest.fixture
def sent(iot: Any) -> list[dict[str, Any]]:
    """The requests CreateJob."""
    requests: list[dict[str, Any]] = []
    iot.meta.events.register("provide-client-params.iot.CreateJob", lambda params, **_: requests.append(params))
    return requests


def arn(kind: str, name: str) -> str:
    return f"arn:aws:iot:eu-west-1:123456789012:{kind}/{name}"


def create_elsewhere(iot: Any, *targets: str) -> None:
    """A job that somebody else creates, in the console for example."""
    iot.create_job(jobId="other", targets=list(targets), document=DOCUMENT)


def test_a_job_goes_to_devices_and_groups_with_one_call_for_each(
    jobs: DeviceJobs, sent: list[dict[str, Any]], clients: Clients
) -> None:
    targets = Targets(["probe-1", "probe-2"], ["temperature"], ["hall-3"])
    job = NewJob("restart-1", targets, DOCUMENT, per_minute=10, abort=AbortCriterion(20, 5), timeout_minutes=15)
    assert jobs.create(job) == ["probe-1", "probe-2", "farm:type:temperature", "farm:location:hall-3"]
    (request,) = sent
    assert request["targets"] == [
        *(arn("thing", name) for name in ("probe-1", "probe-2")),
        *(arn("thinggroup", name) for name in ("farm:type:temperature", "farm:location:hall-3")),
    ]
    assert request["document"] == DOCUMENT
    assert request["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 10}
    assert request["timeoutConfig"] == {"inProgressTimeoutInMinutes": 15}
    assert clients.take_calls() == {"DescribeThing": 2, "DescribeThingGroup": 2, "CreateJob": 1}


def test_a_job_of_a_template_has_no_document_of_its_own(
    jobs: DeviceJobs, sent: list[dict[str, Any]], iot: Any, clients: Clients
) -> None:
    iot.create_job_template(jobTemplateId="restart", document=DOCUMENT, description="Restart")
    clients.take_calls()
    jobs.create(NewJob("restart-1", Targets(["probe-1"]), template="restart"))
    (request,) = sent
    assert request["jobTemplateArn"] == arn("jobtemplate", "restart")
    assert "document" not in request
    assert clients.take_calls() == {"DescribeThing": 1, "DescribeJobTemplate": 1, "CreateJob": 1}


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (NewJob("1", Targets(["probe-1", "no", "nor"]), DOCUMENT), "the devices no, nor do not exist: `thingbridge"),
        (NewJob("1", Targets(["no"]), DOCUMENT), "the device no does not exist: `thingbridge devices list`"),
        (NewJob("1", Targets(["barn"]), DOCUMENT), "barn is not a device of the stack farm, but a thing of the type"),
        (NewJob("1", Targets(["probe-1"]), template="no"), "the job template no does not exist in eu-west-1: `aws iot"),
    ],
)
def test_nothing_is_created_for_what_does_not_exist(
    jobs: DeviceJobs, sent: list[dict[str, Any]], job: NewJob, text: str
) -> None:
    with pytest.raises(Refused, match=text):
        jobs.create(job)
    assert not sent


def test_a_group_that_somebody_deleted_is_named_with_the_fix(jobs: DeviceJobs, iot: Any) -> None:
    iot.delete_thing_group(thingGroupName="farm:type:temperature")
    with pytest.raises(Refused, match="farm:type:temperature does not exist: create it again with `terraform apply`"):
        jobs.create(NewJob("1", Targets(types=["temperature"]), DOCUMENT))


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (409, "ResourceAlreadyExistsException", "the job 1 exists in this account and region: choose another id"),
        (410, "LimitExceededException", "create the job 1: LimitExceededException: .*: cancel jobs"),
    ],
)
def test_a_taken_id_and_a_limit_name_the_way_out(
    jobs: DeviceJobs, answer_with: AnswerWith, status: int, code: str, text: str
) -> None:
    answer_with("iot", "CreateJob", status, code)
    with pytest.raises(Refused, match=text):
        jobs.create(NewJob("1", Targets(["probe-1"]), DOCUMENT))


def test_a_job_for_the_stack_alone_is_found(jobs: DeviceJobs, iot: Any) -> None:
    targets = [arn("thing", "probe-1"), arn("thing", "gone"), arn("thinggroup", "farm:devices")]
    create_elsewhere(iot, *targets)
    assert list(jobs.find("other").targets) == targets


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        ([arn("thing", "probe-1"), arn("thing", "barn")], "other is not a job of the stack farm: it goes to barn"),
        ([arn("thinggroup", "orchard:devices")], "other is not a job of the stack farm: it goes to orchard:devices"),
        ([arn("thing", "gone")], "none of its devices exists any more"),
    ],
)
def test_a_job_that_is_not_the_stack_s_alone_is_neither_shown_nor_canceled(
    jobs: DeviceJobs, iot: Any, targets: list[str], text: str
) -> None:
    create_elsewhere(iot, *targets)
    with pytest.raises(Refused, match=text):
        jobs.progress("other", 20)
    with pytest.raises(Refused, match=text):
        jobs.cancel("other", force=True)
    assert iot.describe_job(jobId="other")["job"]["status"] != "CANCELED"


def test_a_job_is_not_canceled_while_aws_does_not_say_whose_it_is(jobs: DeviceJobs, iot: Any, fail: Fail) -> None:
    create_elsewhere(iot, arn("thing", "probe-1"))
    fail("DescribeThing", status=429, code="ThrottlingException")
    with pytest.raises(Busy):
        jobs.cancel("other", force=False)
    assert iot.describe_job(jobId="other")["job"]["status"] != "CANCELED"


def test_a_canceled_job_stays_canceled(jobs: DeviceJobs, iot: Any, clients: Clients) -> None:
    create_elsewhere(iot, arn("thinggroup", "farm:type:temperature"))
    clients.take_calls()
    for _ in range(2):
        jobs.cancel("other", force=False)
    assert clients.take_calls() == {"DescribeJob": 2, "CancelJob": 1}
    with pytest.raises(Refused, match="was canceled already, without --force"):
        jobs.cancel("other", force=True)


def test_a_job_that_does_not_exist_is_said_to(jobs: DeviceJobs) -> None:
    with pytest.raises(Refused, match="the job nothing does not exist in eu-west-1: `aws iot list-jobs`"):
        jobs.find("nothing")


def answer(iot: Any, operation: str, body: Any) -> None:
    """Have an operation answer with what `body` makes of its number of calls so far."""
    calls: list[int] = []

    class Answer:
        status_code = 200

    def respond(**_: Any) -> Any:
        calls.append(1)
        return Answer(), body(len(calls))

    iot.meta.events.register(f"before-call.iot.{operation}", respond)


def execution(name: str, status: str) -> dict[str, Any]:
    return {"thingArn": arn("thing", name), "jobExecutionSummary": {"status": status, "executionNumber": 1}}


def test_every_page_is_read_and_what_failed_comes_first_with_the_reports_of_the_first(
    jobs: DeviceJobs, iot: Any
) -> None:
    create_elsewhere(iot, arn("thinggroup", "farm:type:temperature"))
    pages = [
        {"executionSummaries": [execution("b", "SUCCEEDED"), execution("d", "TIMED_OUT")], "nextToken": "2"},
        {"executionSummaries": [execution("c", "FAILED"), execution("a", "QUEUED")]},
    ]
    answer(iot, "ListJobExecutionsForJob", lambda number: pages[number - 1])
    answer(iot, "DescribeJobExecution", lambda _: {"execution": {"statusDetails": {"detailsMap": {"reason": "full"}}}})
    waits: list[int] = []
    progress = jobs.progress("other", 1, lambda: waits.append(1))
    assert [each.thing_name for each in progress.executions] == ["c", "d", "a", "b"]
    assert {each.thing_name: found for each, found in progress.details.items()} == {"c": {"reason": "full"}}
    assert len(waits) == 2
