"""`thingbridge things …`, as a person and as a program use it."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from cli.aws import StackAccess
from tests.unit.cli.conftest import Run

KEY = "0123456789ABCDEF0123456789ABCDEF"
DEV_EUI = "A81758FFFE000001"
JOIN_EUI = "A81758FFFE00000F"
IDENTIFIERS = ("--dev-eui", DEV_EUI.lower(), "--join-eui", JOIN_EUI)
VERSIONS = ("--lorawan-version", "1.0.3", "--regional-parameters-version", "1.0.3-a")
CREATE = ("things", "create", *IDENTIFIERS, *VERSIONS, "--app-key", KEY)
AT = "2026-11-21T10:00:00.000Z"

Report = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens between two looks at the shadow, instead of waiting; then time is over."""
    happens: list[Callable[[], None]] = []
    clock = iter([0.0, *([1.0] * 10)])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, 1e9))

    def sleep(_seconds: float) -> None:
        if happens:
            happens.pop(0)()

    monkeypatch.setattr(time, "sleep", sleep)
    return happens


def test_a_created_thing_is_named_by_its_dev_eui_and_described_as_told(run: Run, stack: Any) -> None:
    result = run(*CREATE, "--device-id", "tank-7")
    assert (result.exit_code, result.stdout) == (0, f"created the thing {DEV_EUI}\n")
    found = stack.describe_thing(thingName=DEV_EUI)
    assert found["thingTypeName"] == "lorawan"
    assert found["attributes"] == {
        "stackName": "Farm",
        "devEUI": DEV_EUI,
        "joinEUI": JOIN_EUI,
        "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a",
        "appKey": KEY,
        "deviceID": "tank-7",
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("--dev-eui", "12"), "--dev-eui must be 16 hexadecimal digits"),
        (("--app-key", KEY[:-1]), "--app-key must be 32 hexadecimal digits"),
        (("--lorawan-version", "9"), "--lorawan-version '9' is not one of 1.0,"),
        (("--lorawan-version", "1.1"), "--nwk-key is missing"),
        (("--name", "a/b"), "--name must be 1 to 128 letters"),
    ],
)
def test_a_wrong_value_is_refused_by_its_option_before_anything_is_created(
    run: Run, stack: Any, changes: tuple[str, str], told: str
) -> None:
    result = run(*CREATE, *changes)
    assert result.exit_code == 1
    assert told in result.stderr
    assert KEY[:-1] not in result.output
    assert stack.list_things()["things"] == []


def test_creating_the_same_twice_is_no_error_and_something_else_is(run: Run, stack: Any) -> None:
    run(*CREATE)
    again = run(*CREATE, "--json")
    assert json.loads(again.stdout) == {"thingName": DEV_EUI, "result": "unchanged"}
    other = run(*CREATE, "--app-key", KEY[::-1])
    assert other.exit_code == 1
    assert f"the thing {DEV_EUI} is there with another appKey" in other.stderr
    assert stack.describe_thing(thingName=DEV_EUI)["attributes"]["appKey"] == KEY


def test_a_claim_carries_its_code_and_no_keys(run: Run, stack: Any) -> None:
    assert run("things", "claim", *IDENTIFIERS, "--code", "be12", "--name", "tank").exit_code == 0
    found = stack.describe_thing(thingName="tank")["attributes"]
    assert found == {
        "stackName": "Farm",
        "devEUI": DEV_EUI,
        "joinEUI": JOIN_EUI,
        "claimAuthenticationCode": "BE12",
    }


def test_waiting_tells_what_became_of_the_device(run: Run, report: Report, looks: list[Callable[[], None]]) -> None:
    looks += [
        lambda: report(DEV_EUI, {"provisioning": {"state": "retrying", "reason": "503", "at": "1"}}),
        lambda: report(DEV_EUI, {"provisioning": {"state": "created", "step": None, "reason": None, "at": AT}}),
    ]
    result = run(*CREATE, "--wait")
    assert result.exit_code == 0
    assert f"Device: created ({AT})" in result.stdout


def test_waiting_ends_with_the_reason_when_the_device_was_not_made(
    run: Run, report: Report, looks: list[Callable[[], None]]
) -> None:
    provisioning = {"state": "failed", "step": "Identity Server", "reason": "DevEUI is taken", "at": AT}
    looks.append(lambda: report(DEV_EUI, {"provisioning": provisioning}))
    result = run(*CREATE, "--wait", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["provisioning"] == provisioning
    assert "failed at Identity Server: DevEUI is taken" in result.stderr


def test_what_an_earlier_thing_of_the_name_reported_is_no_outcome(
    run: Run, looks: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # moto drops a thing's shadow with the thing; AWS IoT may show it for a while.
    left = {"provisioning": {"state": "created", "at": AT}}
    monkeypatch.setattr(StackAccess, "shadow", lambda *_: left)
    result = run(*CREATE, "--wait")
    assert result.exit_code == 3
    assert "nothing is known of the device after 60 s" in result.stderr
    assert f"things show {DEV_EUI}" in result.stderr


def test_only_things_of_the_stack_are_listed_on_all_pages(run: Run, add_thing: Callable[..., None]) -> None:
    for number in range(260):
        add_thing(f"tank-{number:03}", devEUI=f"A81758FFFE{number:06X}", appKey=KEY)
    add_thing("theirs", stack_name="orchard", devEUI=DEV_EUI)
    listed = json.loads(run("things", "list", "--json").stdout)
    assert [each["thingName"] for each in listed] == [f"tank-{number:03}" for number in range(260)]
    assert listed[0]["attributes"]["appKey"] is None
    table = run("things", "list")
    assert "tank-259" in table.stdout
    assert KEY not in table.output


def test_an_empty_stack_is_told_from_one_that_is_not_there(run: Run) -> None:
    assert run("things", "list").exit_code == 0
    missing = run("things", "list", "--stack", "Fram")
    assert (missing.exit_code, missing.stderr) == (1, "✗ there is no stack Fram in eu-west-1: those there are: Farm\n")


def test_a_thing_is_shown_with_its_device_its_shadow_and_the_end_of_its_log(
    run: Run, add_thing: Callable[..., None], report: Report
) -> None:
    add_thing("farm:tank", devEUI=DEV_EUI, appKey=KEY)
    report(
        "farm:tank",
        {
            "rssi": -97,
            "provisioning": {"state": "failed", "step": "Join Server", "reason": "the key is refused", "at": AT},
        },
    )
    logs = boto3.client("logs")
    at = {"logGroupName": "/thethings/lorawan/Farm/things", "logStreamName": "farm/tank"}
    logs.create_log_stream(**at)
    now = int(time.time() * 1000)
    messages = [json.dumps({"level": "ERROR", "event": f"event_{n}", "reason": "so it is"}) for n in range(3)]
    logs.put_log_events(**at, logEvents=[{"timestamp": now + n, "message": m} for n, m in enumerate(messages)])
    text = run("things", "show", "farm:tank", "--log", 2).stdout
    assert "failed at Join Server: the key is refused" in text
    assert "rssi" in text
    assert "event_0" not in text
    assert "event_2" in text
    assert KEY not in text
    told = json.loads(run("things", "show", "farm:tank", "--json", "--show-keys").stdout)
    assert told["attributes"]["appKey"] == KEY
    assert told["shadow"]["provisioning"]["step"] == "Join Server"
    assert [entry["event"] for entry in told["log"]] == ["event_0", "event_1", "event_2"]


def test_a_thing_of_another_stack_is_neither_shown_nor_deleted(
    run: Run, add_thing: Callable[..., None], stack: Any
) -> None:
    add_thing("theirs", stack_name="orchard")
    for command in ("show", "delete"):
        result = run("things", command, "theirs")
        assert result.exit_code == 1
        assert "theirs is no thing of Farm: it is one of the stack orchard" in result.stderr
    assert stack.describe_thing(thingName="theirs")


def test_deleting_asks_and_says_that_the_device_goes_too(run: Run, add_thing: Callable[..., None], stack: Any) -> None:
    add_thing("tank")
    refused = run("things", "delete", "tank", stdin="n\n")
    assert refused.exit_code == 1
    assert "and its device in The Things Stack too?" in refused.stderr
    unanswered = run("things", "delete", "tank")
    assert unanswered.exit_code == 1
    assert "--yes answers" in unanswered.stderr
    assert stack.describe_thing(thingName="tank")
    assert run("things", "delete", "tank", stdin="y\n").exit_code == 0
    assert stack.list_things()["things"] == []


def test_a_wrong_name_among_several_deletes_none(run: Run, add_thing: Callable[..., None], stack: Any) -> None:
    add_thing("tank")
    result = run("things", "delete", "tank", "tonk", "--yes")
    assert result.exit_code == 1
    assert "there is no thing tonk" in result.stderr
    assert stack.describe_thing(thingName="tank")
    assert json.loads(run("things", "delete", "tank", "--yes", "--json").stdout) == {"deleted": ["tank"]}


def test_things_whose_device_was_not_made_are_listed_with_the_reason(
    run: Run, add_thing: Callable[..., None], report: Callable[[str, dict[str, Any]], None]
) -> None:
    for name, state in (("barn", "created"), ("shed", "failed"), ("tank", "retrying"), ("silo", None)):
        add_thing(name, devEUI="A81758FFFE0312AB")
        if state:
            report(name, {"provisioning": {"state": state, "step": "Join Server", "reason": "because"}})
    listed = run("things", "list", "--failed")
    assert listed.exit_code == 0
    assert "failed at Join Server: because" in listed.stdout
    assert "2 of 4 things have no device as they describe it" in listed.stderr
    told = json.loads(run("things", "list", "--failed", "--json").stdout)
    assert {each["thingName"]: each["provisioning"]["state"] for each in told} == {"shed": "failed", "tank": "retrying"}
