"""Jobs: their targets, templates and aborting, and the topics on which a thing follows them."""

from __future__ import annotations

from typing import Any

from local.emulator.probes.account import Account
from local.emulator.probes.probe import Probe, expect, refused

DOCUMENT = '{"operation": "restart"}'


def thing(account: Account, group: str = "") -> str:
    """The name of a new thing, in a thing group if one is given."""
    name = account.name()
    account.client("iot").create_thing(thingName=name)
    if group:
        account.client("iot").add_thing_to_thing_group(thingName=name, thingGroupName=group)
    return name


def create(account: Account, *targets: str, **settings: Any) -> str:
    """The id of a new job for these ARNs."""
    job = account.name("job")
    request = {"document": DOCUMENT, **settings}
    account.client("iot").create_job(jobId=job, targets=list(targets), **request)
    return job


def statuses(account: Account, job: str) -> dict[str, str]:
    """Thing → status of its execution."""
    found = account.client("iot").list_job_executions_for_job(jobId=job, maxResults=250)["executionSummaries"]
    return {each["thingArn"].partition("/")[2]: each["jobExecutionSummary"]["status"] for each in found}


def executions_of_things_and_groups(account: Account) -> None:
    iot, group = account.client("iot"), f"{account.name()}:devices"
    group_arn = iot.create_thing_group(thingGroupName=group)["thingGroupArn"]
    member, other = thing(account, group), thing(account)
    job = create(account, *(account.arn("iot", f"thing/{name}") for name in (member, other)), group_arn)
    expect(statuses(account, job) == {member: "QUEUED", other: "QUEUED"}, statuses(account, job))
    targets = iot.describe_job(jobId=job)["job"]["targets"]
    expect(f":thinggroup/{group}" in "".join(targets), targets)


def taken_id_and_missing_target(account: Account) -> None:
    iot, arn = account.client("iot"), account.arn("iot", f"thing/{thing(account)}")
    job = create(account, arn)
    again = {"jobId": job, "targets": [arn], "document": DOCUMENT}
    refused(lambda: iot.create_job(**again), "ResourceAlreadyExistsException")
    refused(lambda: create(account, account.arn("iot", "thing/not-there")), "ResourceNotFoundException")
    refused(lambda: iot.describe_job(jobId="not-there"), "ResourceNotFoundException")
    refused(lambda: iot.describe_job_template(jobTemplateId="not-there"), "ResourceNotFoundException")


def template_with_a_document(account: Account) -> None:
    iot, template, name = account.client("iot"), account.name("template"), thing(account)
    iot.create_job_template(jobTemplateId=template, document=DOCUMENT, description="Restart")
    job, arn = account.name("job"), iot.describe_job_template(jobTemplateId=template)["jobTemplateArn"]
    iot.create_job(jobId=job, targets=[account.arn("iot", f"thing/{name}")], jobTemplateArn=arn)
    document = iot.get_job_document(jobId=job)["document"]
    expect(document == DOCUMENT, document)


def job_over_mqtt(account: Account) -> None:
    name = thing(account)
    topic = f"$aws/things/{name}/jobs"
    with account.aws.mqtt(account.name()) as connection:
        for each in ("notify-next", "start-next/accepted", "+/update/accepted", "+/update/rejected"):
            connection.subscribe(f"{topic}/{each}")
        connection.publish(f"{topic}/start-next", {})
        nothing = connection.wait_for(f"{topic}/start-next/accepted").json()
        expect("execution" not in nothing, nothing)
        job = create(account, account.arn("iot", f"thing/{name}"))
        announced = connection.wait_for(f"{topic}/notify-next").json()
        expect(announced["execution"]["jobId"] == job, announced)
        for _ in range(2):  # As after a restart of the device.
            connection.publish(f"{topic}/start-next", {})
        handed = connection.wait_for(f"{topic}/start-next/accepted", lambda each: "execution" in each.json()).json()
        expect(handed["execution"]["jobDocument"] == {"operation": "restart"}, handed)
        number = handed["execution"]["executionNumber"]
        update = {"status": "SUCCEEDED", "statusDetails": {"step": "done"}, "executionNumber": number}
        connection.publish(f"{topic}/{job}/update", update)
        connection.wait_for(f"{topic}/{job}/update/accepted")
        connection.publish(f"{topic}/{job}/update", update)
        connection.wait_for(f"{topic}/{job}/update/rejected")
    execution = account.client("iot").describe_job_execution(jobId=job, thingName=name, executionNumber=number)
    expect(execution["execution"]["statusDetails"]["detailsMap"] == {"step": "done"}, execution)
    status = account.client("iot").describe_job(jobId=job)["job"]["status"]
    expect(status == "COMPLETED", status)


def aborted_and_canceled_job(account: Account) -> None:
    iot, failing, other = account.client("iot"), thing(account), thing(account)
    criterion = {
        "action": "CANCEL",
        "failureType": "ALL",
        "minNumberOfExecutedThings": 1,
        "thresholdPercentage": 50.0,
    }
    arns = [account.arn("iot", f"thing/{name}") for name in (failing, other)]
    job = create(account, *arns, abortConfig={"criteriaList": [criterion]})
    with account.aws.mqtt(account.name()) as connection:
        topic = f"$aws/things/{failing}/jobs/{job}/update"
        connection.subscribe(f"{topic}/accepted")
        connection.publish(topic, {"status": "FAILED"})
        connection.wait_for(f"{topic}/accepted")
    described = iot.describe_job(jobId=job)["job"]
    expect((described["status"], described["reasonCode"]) == ("CANCELED", "ABORT_CANCEL"), described)
    expect(statuses(account, job) == {failing: "FAILED", other: "CANCELED"}, statuses(account, job))
    refused(lambda: iot.cancel_job(jobId=job), "InvalidRequestException")
    iot.delete_job(jobId=job)


PROBES = (
    Probe("A job for things and groups has one execution for each thing", executions_of_things_and_groups),
    Probe("CreateJob refuses an id that is taken and a target that is unknown", taken_id_and_missing_target),
    Probe("A job of a job template has the document of the template", template_with_a_document),
    Probe("A job is announced to its thing, handed out until it is reported, and reported once", job_over_mqtt),
    Probe("A job whose criterion is met is canceled, as by CancelJob, which takes it once", aborted_and_canceled_job),
)
