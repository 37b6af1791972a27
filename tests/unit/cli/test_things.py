"""`thingbridge things …`, as a person and as a program use it."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.cli.conftest import LOG_GROUP, AddThing, Report, Run, Time
from thingbridge.aws.clients import Clients

KEY = "0123456789ABCDEF0123456789ABCDEF"
DEV_EUI = "A81758FFFE000001"
JOIN_EUI = "A81758FFFE00000F"
IDENTIFIERS = ("--dev-eui", DEV_EUI.lower(), "--join-eui", JOIN_EUI)
VERSIONS = ("--lorawan-version", "1.0.3", "--regional-parameters-version", "1.0.3-a")
CREATE = ("things", "create", *IDENTIFIERS, *VERSIONS, "--app-key", KEY)
AT = "2026-11-21T10:00:00.000Z"


def test_a_created_thing_is_named_by_its_dev_eui_and_has_the_given_attributes(run: Run, stack: Any) -> None:
    result = run(*CREATE, "--device-id", "tank-7", "--frequency-plan-id", "EU_863_870_TTN")
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
        "frequencyPlanID": "EU_863_870_TTN",
    }


def test_keys_and_names_can_come_from_the_environment(
    run: Run, stack: Any, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients("iot").create_thing_type(thingTypeName="sensor")
    monkeypatch.setenv("THINGBRIDGE_APP_KEY", KEY)
    monkeypatch.setenv("THINGBRIDGE_NWK_KEY", KEY[::-1])
    monkeypatch.setenv("THINGBRIDGE_THING_TYPE", "sensor")
    versions = ("--lorawan-version", "1.1", "--regional-parameters-version", "1.1-b")
    assert run("things", "create", *IDENTIFIERS, *versions).exit_code == 0
    found = stack.describe_thing(thingName=DEV_EUI)
    assert (found["attributes"]["appKey"], found["attributes"]["nwkKey"]) == (KEY, KEY[::-1])
    assert found["thingTypeName"] == "sensor"


def test_a_network_key_is_given_as_an_option_too(run: Run, stack: Any) -> None:
    versions = ("--lorawan-version", "1.1", "--regional-parameters-version", "1.1-b")
    run("things", "create", *IDENTIFIERS, *versions, "--app-key", KEY, "--nwk-key", KEY[::-1])
    assert stack.describe_thing(thingName=DEV_EUI)["attributes"]["nwkKey"] == KEY[::-1]


def test_a_class_and_a_receive_delay_are_options(run: Run, stack: Any) -> None:
    assert run(*CREATE, "--supports-class-b", "--supports-class-c", "--rx1-delay", "RX_DELAY_5").exit_code == 0
    found = stack.describe_thing(thingName=DEV_EUI)["attributes"]
    assert [found[name] for name in ("supportsClassB", "supportsClassC", "rx1Delay")] == ["true", "true", "5"]


def test_a_thing_type_that_does_not_exist_is_named(run: Run) -> None:
    result = run(*CREATE, "--thing-type", "sensor")
    assert result.exit_code == 1
    assert result.stderr == (
        "✗ the thing type sensor does not exist in eu-west-1: give the stack's thing type with --thing-type\n"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--dev-eui", "12"), "--dev-eui must be 16 hexadecimal digits"),
        (("--app-key", KEY[:-1]), "--app-key must be 32 hexadecimal digits"),
        (("--lorawan-version", "1.9"), "--lorawan-version '1.9' is not one of 1.0,"),
        (("--lorawan-version", "1.1"), "--nwk-key is missing"),
        (("--app-key", ""), "--app-key is missing"),
        (("--rx1-delay", "16"), "--rx1-delay must be 1 to 15"),
        (("--name", "a/b"), "--name must be 1 to 128 letters"),
    ],
)
def test_a_wrong_value_is_rejected_under_its_option_before_anything_is_created(
    run: Run, stack: Any, changes: tuple[str, str], message: str
) -> None:
    result = run(*CREATE, "--name", "tank", *changes)
    assert result.exit_code == 2
    assert message in result.stderr
    assert KEY[:-1] not in result.output
    assert stack.list_things()["things"] == []


def test_creating_the_same_thing_twice_is_fine_and_a_different_one_fails(run: Run, stack: Any) -> None:
    run(*CREATE)
    again = run(*CREATE, "--json")
    assert json.loads(again.stdout) == {"thingName": DEV_EUI, "result": "unchanged"}
    other = run(*CREATE, "--app-key", KEY[::-1])
    assert other.exit_code == 1
    assert f"the thing {DEV_EUI} already exists with another appKey" in other.stderr
    assert stack.describe_thing(thingName=DEV_EUI)["attributes"]["appKey"] == KEY
    assert f"the thing {DEV_EUI} already exists" in run(*CREATE).stdout


def test_a_name_that_belongs_to_another_stack_is_not_reused(run: Run, stack: Any, add_thing: AddThing) -> None:
    add_thing("tank", stack_name="orchard")
    result = run(*CREATE, "--name", "tank")
    assert result.exit_code == 1
    assert "the name tank is taken: it belongs to the stack orchard; choose another with --name" in result.stderr


def test_a_claim_carries_its_code_and_no_keys(run: Run, stack: Any) -> None:
    assert run("things", "claim", *IDENTIFIERS, "--code", "be12", "--name", "tank").exit_code == 0
    found = stack.describe_thing(thingName="tank")["attributes"]
    assert found == {
        "stackName": "Farm",
        "devEUI": DEV_EUI,
        "joinEUI": JOIN_EUI,
        "claimAuthenticationCode": "BE12",
    }


def test_a_claim_may_say_how_the_device_is_used(run: Run, stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINGBRIDGE_CLAIM_CODE", "BE12")
    more = ("--device-id", "tank-7", "--frequency-plan-id", "EU_863_870_TTN")
    assert run("things", "claim", *IDENTIFIERS, *VERSIONS, *more).exit_code == 0
    found = stack.describe_thing(thingName=DEV_EUI)["attributes"]
    assert (found["claimAuthenticationCode"], found["lorawanVersion"]) == ("BE12", "1.0.3")
    assert (found["regionalParametersVersion"], found["deviceID"]) == ("1.0.3-a", "tank-7")
    assert found["frequencyPlanID"] == "EU_863_870_TTN"


def test_waiting_ends_with_the_outcome_for_the_device(run: Run, report: Report, time_passes: Time) -> None:
    time_passes.then = [
        lambda: report(DEV_EUI, {"provisioning": {"state": "retrying", "reason": "503", "at": "1"}}),
        lambda: report(DEV_EUI, {"provisioning": {"state": "created", "step": None, "reason": None, "at": AT}}),
    ]
    result = run(*CREATE, "--wait")
    assert result.exit_code == 0
    assert f"Device: created ({AT})" in result.stdout


def test_waiting_ends_with_the_reason_when_the_device_was_not_created(
    run: Run, report: Report, time_passes: Time
) -> None:
    provisioning = {"state": "failed", "step": "Identity Server", "reason": "DevEUI is taken", "at": AT}
    time_passes.then = [lambda: report(DEV_EUI, {"provisioning": provisioning})]
    result = run(*CREATE, "--wait", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["provisioning"] == provisioning
    assert "failed at Identity Server: DevEUI is taken" in result.stderr


def test_what_an_earlier_thing_of_the_name_reported_is_not_the_outcome(
    run: Run, shadows_stay: Callable[[dict[str, Any]], None], time_passes: Time
) -> None:
    shadows_stay({"provisioning": {"state": "created", "at": AT}})
    result = run(*CREATE, "--wait")
    assert result.exit_code == 3
    assert "the outcome for the device is not known after 60 s" in result.stderr
    assert f"things show {DEV_EUI}" in result.stderr
    assert time_passes.seconds == pytest.approx(60, abs=1)


def test_waiting_ends_after_the_given_time_with_what_is_known_so_far(
    run: Run, report: Report, time_passes: Time
) -> None:
    time_passes.then = [lambda: report(DEV_EUI, {"provisioning": {"state": "retrying", "reason": "503", "at": AT}})]
    result = run(*CREATE, "--wait", "--timeout", 5)
    assert result.exit_code == 3
    assert f"not known after 5 s, so far: retrying: 503 ({AT})" in result.stderr
    assert time_passes.seconds == pytest.approx(5, abs=1)


def test_only_things_of_the_stack_are_listed_from_all_pages(run: Run, add_thing: AddThing) -> None:
    for number in range(260):
        add_thing(f"tank-{number:03}", devEUI=f"A81758FFFE{number:06X}", appKey=KEY)
    add_thing("theirs", stack_name="orchard", devEUI=DEV_EUI)
    listed = json.loads(run("things", "list", "--json").stdout)
    assert [each["thingName"] for each in listed] == [f"tank-{number:03}" for number in range(260)]
    assert listed[0]["attributes"]["appKey"] is None
    table = run("things", "list")
    assert "tank-259" in table.stdout
    assert KEY not in table.output


def test_an_empty_stack_is_not_the_same_as_one_that_does_not_exist(run: Run) -> None:
    empty = run("things", "list")
    assert (empty.exit_code, empty.stderr) == (0, "The stack Farm has no things yet.\n")
    missing = run("things", "list", "--stack", "Fram")
    assert (missing.exit_code, missing.stderr) == (
        1,
        "✗ the stack Fram does not exist in eu-west-1: the stacks there are Farm\n",
    )


def test_a_thing_is_shown_with_its_device_its_shadow_and_the_end_of_its_log(
    run: Run, clients: Clients, add_thing: AddThing, report: Report
) -> None:
    add_thing("farm:tank", devEUI=DEV_EUI, appKey=KEY)
    report(
        "farm:tank",
        {
            "rssi": -97,
            "provisioning": {"state": "failed", "step": "Join Server", "reason": "the key is rejected", "at": AT},
        },
    )
    logs = clients("logs")
    at = {"logGroupName": LOG_GROUP, "logStreamName": "farm/tank"}
    logs.create_log_stream(**at)
    now = int(time.time() * 1000)
    messages = [json.dumps({"level": "ERROR", "event": f"event_{n}", "reason": "as arranged"}) for n in range(3)]
    logs.put_log_events(**at, logEvents=[{"timestamp": now + n, "message": m} for n, m in enumerate(messages)])
    text = run("things", "show", "farm:tank", "--log", 2).stdout
    assert "failed at Join Server: the key is rejected" in text
    assert "rssi" in text
    assert "event_0" not in text
    assert "event_2" in text
    assert KEY not in text
    answer = json.loads(run("things", "show", "farm:tank", "--json", "--show-keys").stdout)
    assert answer["attributes"]["appKey"] == KEY
    assert answer["shadow"]["provisioning"]["step"] == "Join Server"
    assert [entry["event"] for entry in answer["log"]] == ["event_0", "event_1", "event_2"]


def test_a_thing_of_which_nothing_is_known_yet_is_shown_as_such(run: Run, add_thing: AddThing) -> None:
    add_thing("tank", devEUI=DEV_EUI)
    shown = run("things", "show", "tank")
    assert shown.exit_code == 0
    assert "Shadow lorawan: none yet" in shown.stdout
    assert "Log: no entries yet" in shown.stdout


def test_a_thing_of_another_stack_is_neither_shown_nor_deleted(run: Run, add_thing: AddThing, stack: Any) -> None:
    add_thing("theirs", stack_name="orchard")
    for command in ("show", "delete"):
        result = run("things", command, "theirs")
        assert result.exit_code == 1
        assert "the thing theirs is not part of the stack Farm: it belongs to the stack orchard" in result.stderr
    assert stack.describe_thing(thingName="theirs")


def test_deleting_asks_first_and_says_that_the_device_is_deleted_too(run: Run, add_thing: AddThing, stack: Any) -> None:
    add_thing("tank")
    refused = run("things", "delete", "tank", stdin="n\n")
    assert refused.exit_code == 1
    assert "and its device in The Things Stack too?" in refused.stderr
    unanswered = run("things", "delete", "tank")
    assert unanswered.exit_code == 1
    assert "--yes deletes without asking" in unanswered.stderr
    assert stack.describe_thing(thingName="tank")
    assert run("things", "delete", "tank", stdin="y\n").exit_code == 0
    assert stack.list_things()["things"] == []


def test_a_wrong_name_among_several_deletes_none(run: Run, add_thing: AddThing, stack: Any) -> None:
    add_thing("tank")
    result = run("things", "delete", "tank", "tonk", "--yes")
    assert result.exit_code == 1
    assert "the thing tonk does not exist" in result.stderr
    assert stack.describe_thing(thingName="tank")
    assert json.loads(run("things", "delete", "tank", "--yes", "--json").stdout) == {"deleted": ["tank"]}


def test_things_without_their_device_are_listed_with_the_reason(run: Run, add_thing: AddThing, report: Report) -> None:
    for name, state in (("barn", "created"), ("shed", "failed"), ("tank", "retrying"), ("silo", None)):
        add_thing(name, devEUI="A81758FFFE0312AB")
        if state:
            report(name, {"provisioning": {"state": state, "step": "Join Server", "reason": "because"}})
    listed = run("things", "list", "--failed")
    assert listed.exit_code == 0
    assert "failed at Join Server: because" in listed.stdout
    assert "2 of 4 things are without the device that they describe" in listed.stderr
    answer = json.loads(run("things", "list", "--failed", "--json").stdout)
    assert {each["thingName"]: each["provisioning"]["state"] for each in answer} == {
        "shed": "failed",
        "tank": "retrying",
    }


def test_silent_things_are_listed_the_longest_silent_first(run: Run, add_thing: AddThing, report: Report) -> None:
    now = datetime.now(UTC)
    for name, minutes in (("barn", 5), ("shed", 61), ("tank", 600), ("silo", None)):
        add_thing(name, devEUI="A81758FFFE0312AB")
        if minutes:
            report(name, {"lastSeen": (now - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")})
    listed = run("things", "list", "--silent-for", "60")
    assert "2 of 4 things sent once, but not in the last 60 minutes" in listed.stderr
    answer = json.loads(run("things", "list", "--silent-for", "60", "--json").stdout)
    assert [each["thingName"] for each in answer] == ["tank", "shed"]
    assert answer[0]["devEUI"] == "A81758FFFE0312AB"


@pytest.mark.parametrize("spelling", [DEV_EUI, DEV_EUI.lower()])
@pytest.mark.parametrize("stack_name", ["Farm", "orchard"])
def test_a_device_that_another_thing_stands_for_gets_no_second_thing(
    run: Run, stack: Any, add_thing: AddThing, spelling: str, stack_name: str
) -> None:
    add_thing("tank", stack_name=stack_name, devEUI=spelling)
    claim = ("things", "claim", *IDENTIFIERS, "--code", "BE12")
    for command in (CREATE, (*CREATE, "--name", "barn"), claim):
        result = run(*command)
        assert result.exit_code == 1
        assert f"the thing tank has the DevEUI {DEV_EUI}" in result.stderr
        assert "use that thing, or delete it first" in result.stderr
        assert ("it belongs to the stack orchard" in result.stderr) == (stack_name == "orchard")
    assert [each["thingName"] for each in stack.list_things()["things"]] == ["tank"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"devEUI": DEV_EUI}, {"devEUI": DEV_EUI.lower()}),
        ({"devEUI": DEV_EUI.lower(), "deviceID": "tank-7"}, {"devEUI": DEV_EUI, "deviceID": "tank-8"}),
        ({"deviceID": "tank-7"}, {"deviceID": "tank-7"}),
        ({"devEUI": DEV_EUI}, {"deviceID": f"eui-{DEV_EUI.lower()}"}),
    ],
)
def test_deleting_a_duplicate_says_that_the_device_stays(
    run: Run, stack: Any, add_thing: AddThing, one: dict[str, str], other: dict[str, str]
) -> None:
    for first, second in (("barn", "tank"), ("tank", "barn")):
        add_thing("barn", **one)
        add_thing("tank", **other)
        question = run("things", "delete", first, stdin="n\n").stderr
        assert f"the device of {first} stays, because the thing {second} stands for it too" in question
        deleted = run("things", "delete", first, "--yes", "--json")
        assert json.loads(deleted.stdout) == {"deleted": [first], "sharedDevices": {first: [second]}}
        last = run("things", "delete", second, "--yes").stdout
        assert last == f"deleted {second}; its device is deleted too, unless the stack retains devices\n"


def test_deleting_all_things_of_a_device_deletes_it(run: Run, add_thing: AddThing) -> None:
    add_thing("barn", devEUI=DEV_EUI)
    add_thing("tank", devEUI=DEV_EUI.lower())
    add_thing("shed", deviceID=f"eui-{DEV_EUI.lower()}", devEUI="A81758FFFE0000AA")
    result = run("things", "delete", "tank", "barn", "shed", "--yes")
    assert result.stdout.count("is deleted too") == 3
