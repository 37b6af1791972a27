"""`thingbridge devices job …`, on an account in process with the stack `Farm`, applied with the variable `devices`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.applied_devices import CONFIGURATION, create_function
from tests.unit.cli.conftest import Run
from tests.unit.conftest import AnswerWith
from thingbridge.aws.clients import Clients

DOCUMENT = '{"operation": "restart"}'


@pytest.fixture(autouse=True)
def applied(stack: Any) -> None:
    """What Terraform creates for devices, and two devices."""
    for group in ("Farm:type:temperature", "Farm:location:hall-3"):
        stack.create_thing_group(thingGroupName=group)
    stack.create_thing_type(thingTypeName="Farm:temperature")
    for name in ("probe-1", "probe-2"):
        stack.create_thing(thingName=name, thingTypeName="Farm:temperature")
    create_function("devices", DEVICES=json.dumps(CONFIGURATION))


def test_a_job_is_created_shown_and_canceled(run: Run, stack: Any) -> None:
    done = run("devices", "job", "create", "restart-1", "probe-1", "probe-2", "--document", DOCUMENT)
    assert done.exit_code == 0, done.output
    assert done.stdout == "created the job restart-1 for probe-1, probe-2\n"
    shown = json.loads(run("devices", "job", "show", "restart-1", "--json").stdout)
    assert shown["targets"] == ["probe-1", "probe-2"]
    assert shown["counts"] == {"QUEUED": 2}
    assert [(each["thingName"], each["status"]) for each in shown["executions"]] == [
        ("probe-1", "QUEUED"),
        ("probe-2", "QUEUED"),
    ]
    table = run("devices", "job", "show", "restart-1").stdout
    assert "for probe-1, probe-2, created " in table
    assert "2 QUEUED" in table
    canceled = run("devices", "job", "cancel", "restart-1")
    assert canceled.stdout == "canceled the job restart-1; devices that have begun it complete it\n"
    assert stack.describe_job(jobId="restart-1")["job"]["status"] == "CANCELED"
    assert "CANCELED" in run("devices", "job", "show", "restart-1").stdout


def test_a_job_from_a_file_goes_to_groups_with_its_limits(run: Run, stack: Any, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(DOCUMENT, encoding="utf-8-sig")
    limits = ("--rate", 10, "--abort", 12.5, "--abort-after", 3, "--abort-on", "timed-out", "--timeout-minutes", 30)
    where = ("--all", "--location", "hall-3", "--continuous")
    done = run("devices", "job", "create", "restart-1", "--document-file", file, *where, *limits, "--json")
    assert json.loads(done.stdout) == {
        "jobId": "restart-1",
        "targets": ["Farm:type:temperature", "Farm:location:hall-3"],
    }
    job = stack.describe_job(jobId="restart-1")["job"]
    assert job["targetSelection"] == "CONTINUOUS"
    assert job["jobExecutionsRolloutConfig"] == {"maximumPerMinute": 10}
    assert job["timeoutConfig"] == {"inProgressTimeoutInMinutes": 30}
    (criterion,) = job["abortConfig"]["criteriaList"]
    assert (criterion["failureType"], criterion["thresholdPercentage"]) == ("TIMED_OUT", 12.5)
    assert criterion["minNumberOfExecutedThings"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("probe-1",), "give one of --document, --document-file and --template"),
        (("probe-1", "--document", DOCUMENT, "--template", "x"), "give one of --document, --document-file and"),
        (("probe-1", "--document", "restart"), "--document must be a JSON object: Expecting value"),
        (("probe-1", "--document", '{"a": "' + "x" * 32_768 + '"}'), "--document must have at most 32,768 bytes"),
        (("--document", DOCUMENT), "NAME, --type, --location or --all must be given"),
        (("--type", "wind", "--document", DOCUMENT), "--type must be a type of the stack Farm: temperature; got wind"),
        (("--location", "attic", "--document", DOCUMENT), "--location must be a location of the stack Farm: hall-3;"),
        (("probe-1", "--document", DOCUMENT, "--rate", 0), "--rate must be 1 to 1,000 devices per minute; got 0"),
        (("probe-1", "--document", DOCUMENT, "--abort", 101), "--abort must be more than 0 and at most 100"),
        (("probe-1", "--document", DOCUMENT, "--abort-after", 1), "--abort-after and --abort-on need --abort PERCENT"),
        (("probe-1", "--document", DOCUMENT, "--abort", 9, "--abort-after", 0), "--abort-after must be at least 1"),
        (("probe-1", "--document", DOCUMENT, "--timeout-minutes", 0), "--timeout-minutes must be 1 to 10,080 minutes"),
    ],
)
def test_what_no_job_can_be_is_wrong_usage(
    run: Run, clients: Clients, arguments: tuple[object, ...], message: str
) -> None:
    done = run("devices", "job", "create", "restart-1", *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "CreateJob" not in clients.take_calls()


def test_a_wrong_id_and_a_wrong_file_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "utf-16").write_text(DOCUMENT, encoding="utf-16")
    (tmp_path / "list").write_text("[]")
    create = ("devices", "job", "create", "restart-1", "probe-1", "--document-file")
    assert f"{tmp_path}/utf-16 must be UTF-8" in run(*create, tmp_path / "utf-16").stderr
    assert f"--document-file {tmp_path}/list must be a JSON object; got []" in run(*create, tmp_path / "list").stderr
    for verb in ("show", "cancel"):
        done = run("devices", "job", verb, "restart/1")
        assert done.exit_code == 2
        assert "JOB must have 1 to 64 of the characters" in done.stderr


def test_what_does_not_exist_or_is_taken_names_the_way_out(run: Run, answer_with: AnswerWith) -> None:
    create = ("devices", "job", "create", "restart-1")
    done = run(*create, "probe-9", "--document", DOCUMENT)
    assert done.exit_code == 1
    assert "the device probe-9 does not exist: `thingbridge devices list` shows those of Farm" in done.stderr
    assert "the job template x does not exist" in run(*create, "probe-1", "--template", "x").stderr
    assert "the job restart-1 does not exist" in run("devices", "job", "show", "restart-1").stderr
    answer_with("iot", "CreateJob", 409, "ResourceAlreadyExistsException")
    assert "the job restart-1 exists" in run(*create, "probe-1", "--document", DOCUMENT).stderr


def test_a_report_of_a_device_can_not_change_the_terminal(run: Run, clients: Clients) -> None:
    run("devices", "job", "create", "restart-1", "probe-1", "--document", DOCUMENT)

    class Answer:
        status_code = 200

    summary = {"status": "FAILED", "executionNumber": 1}
    thing = "arn:aws:iot:eu-west-1:123456789012:thing/probe-1"
    executions = {"executionSummaries": [{"thingArn": thing, "jobExecutionSummary": summary}]}
    report = {"execution": {"statusDetails": {"detailsMap": {"reason": "\x1b[2Jfull"}}}}
    for operation, answer in (("ListJobExecutionsForJob", executions), ("DescribeJobExecution", report)):
        clients("iot").meta.events.register(
            f"before-call.iot.{operation}", lambda answer=answer, **_: (Answer(), answer)
        )
    shown = run("devices", "job", "show", "restart-1").stdout
    assert r"reason=\u001b[2Jfull" in shown
