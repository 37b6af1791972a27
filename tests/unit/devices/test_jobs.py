"""What a job may be: its id, document, rollout, and where it goes."""

import json
from dataclasses import replace

import pytest

from thingbridge.devices import jobs
from thingbridge.devices.fleet import DeviceType, Fleet
from thingbridge.devices.jobs import AbortCriterion, FailureType, NewJob, Targets
from thingbridge.errors import BadInput

FLEET = Fleet(
    "farm",
    "eu-west-1",
    "example-ats.iot.eu-west-1.amazonaws.com",
    ("farm-device",),
    {"temperature": DeviceType("farm:temperature", "farm:type:temperature")},
    {"hall-3": "farm:location:hall-3"},
)
JOB = NewJob("restart-1", Targets(["probe-1"]), '{"operation": "restart"}')
LONGEST = json.dumps({"data": "x" * (jobs.LONGEST_DOCUMENT - len('{"data": ""}'))})


@pytest.mark.parametrize(
    ("job", "field", "reason"),
    [
        (replace(JOB, id="restart 1"), "id", "1 to 64 of the characters"),
        (replace(JOB, id="x" * 65), "id", "1 to 64 of the characters"),
        (replace(JOB, id="start-next"), "id", "can't be start-next"),
        (replace(JOB, document=None), "document", "or a template"),
        (replace(JOB, template="restart"), "document", "one of them"),
        (replace(JOB, document=None, template="a/b"), "template", "1 to 64 of the characters"),
        (replace(JOB, document="{"), "document", "must be a JSON object: Expecting property name"),
        (replace(JOB, document='"restart"'), "document", 'must be a JSON object; got "restart"'),
        (replace(JOB, document='{"level": NaN}'), "document", "NaN is not JSON"),
        (replace(JOB, document="[" * 30_000), "document", "must be a JSON object"),
        (replace(JOB, document=LONGEST + " "), "document", "at most 32,768 bytes; got 32,769"),
        (replace(JOB, document=LONGEST.replace("xx", "é", 1).replace("xx", "éé", 1)), "document", "got 32,770"),
        (replace(JOB, targets=Targets()), "targets", "at least one"),
        (replace(JOB, per_minute=0), "per_minute", "1 to 1,000 devices per minute; got 0"),
        (replace(JOB, per_minute=1001), "per_minute", "got 1001"),
        (replace(JOB, timeout_minutes=10_081), "timeout_minutes", "1 to 10,080 minutes; got 10081"),
        (replace(JOB, abort=AbortCriterion(0)), "abort", "more than 0 and at most 100"),
        (replace(JOB, abort=AbortCriterion(float("nan"))), "abort", "more than 0 and at most 100"),
        (replace(JOB, abort=AbortCriterion(12.345)), "abort", "two decimal digits"),
        (replace(JOB, abort=AbortCriterion(10, after=0)), "abort_after", "at least 1 device"),
    ],
)
def test_a_job_that_aws_would_refuse_names_the_wrong_field(job: NewJob, field: str, reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        jobs.checked(job)
    assert refused.value.field == field
    assert reason in refused.value.reason


def test_a_job_at_its_limits_is_accepted() -> None:
    job = replace(
        JOB, document=LONGEST, per_minute=1000, timeout_minutes=10_080, abort=AbortCriterion(99.99, 1, FailureType.ALL)
    )
    assert jobs.checked(job) is job


def test_only_what_was_given_is_requested() -> None:
    assert jobs.settings(JOB) == {"targetSelection": "SNAPSHOT", "document": JOB.document}
    full = replace(
        JOB,
        document=None,
        template="restart",
        continuous=True,
        per_minute=50,
        timeout_minutes=30,
        abort=AbortCriterion(12.5, 20, FailureType.TIMED_OUT),
    )
    assert jobs.settings(full) == {
        "targetSelection": "CONTINUOUS",
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 50},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 30},
        "abortConfig": {
            "criteriaList": [
                {
                    "action": "CANCEL",
                    "failureType": "TIMED_OUT",
                    "minNumberOfExecutedThings": 20,
                    "thresholdPercentage": 12.5,
                }
            ]
        },
    }


def test_types_and_locations_stand_for_their_groups() -> None:
    targets = Targets((), ["temperature", "temperature"], ["hall-3"])
    assert jobs.groups(targets, FLEET) == ["farm:type:temperature", "farm:location:hall-3"]


@pytest.mark.parametrize(
    ("targets", "fleet", "text"),
    [
        (Targets(types=["wind"]), FLEET, "type: must be a type of the stack farm: temperature; got wind"),
        (Targets(locations=["attic"]), FLEET, "location: must be a location of the stack farm: hall-3; got attic"),
        (Targets(locations=["attic"]), replace(FLEET, locations={}), "the stack farm has no locations"),
    ],
)
def test_an_unknown_group_is_refused_with_those_that_exist(targets: Targets, fleet: Fleet, text: str) -> None:
    with pytest.raises(BadInput, match=text):
        jobs.groups(targets, fleet)


def test_a_group_of_a_stack_with_a_longer_name_is_not_the_stack_s() -> None:
    assert jobs.is_group_of("farm:devices", FLEET)
    assert not jobs.is_group_of("farm-2:devices", FLEET)
    assert not jobs.is_group_of("farm", FLEET)
