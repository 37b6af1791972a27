"""docs/alarms.md: every alarm has its runbook and every runbook its alarm, and the figures are those of the modules."""

import json
import re

import pytest

from tests import documents
from tests.documents import ROOT
from tests.terraform import dashboard
from thingbridge import metrics
from thingbridge.flows import checkup, expiry
from thingbridge.registry.sync import SILENT, Count

PAGE = documents.read("docs/alarms.md")
TEXT = " ".join(PAGE.split())
FILES = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in ROOT.glob("modules/*/*.tf")}
ALARMS = {path: text for path, text in FILES.items() if path.endswith("/alarms.tf")}
INVENTORIES = ROOT / "tests" / "terraform" / "inventories"
_RESOURCE = re.compile(r'^resource "aws_cloudwatch_metric_alarm" "\w+" \{\n.*?^\}', re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r'(?:section\s+= "|runbook\}#)([\w-]+)"')


def test_every_alarm_names_its_runbook_and_every_runbook_has_an_alarm() -> None:
    named = {section for text in ALARMS.values() for section in _SECTION.findall(text)}
    assert named == documents.anchors(documents.section(PAGE, "Runbooks"))


@pytest.mark.parametrize("path", sorted(ALARMS))
def test_an_alarm_says_what_to_do_and_decides_what_missing_data_means(path: str) -> None:
    text = ALARMS[path]
    made = _RESOURCE.findall(text)
    assert made
    for resource in made:
        assert re.search(r"alarm_description += .*\$\{var\.alarms\.runbook\}#", resource)
        for attribute in ("treat_missing_data", "alarm_actions", "ok_actions", "tags"):
            assert re.search(rf"^  {attribute} +=", resource, re.MULTILINE), attribute
    for described in re.findall(r"^      description += (.*)$", text, re.MULTILINE):
        # What is wrong, and after a colon what to do.
        assert re.search(r": .+\.", described), described


def test_there_are_no_alarms_elsewhere() -> None:
    assert {path for path, text in FILES.items() if _RESOURCE.search(text)} == set(ALARMS)


def test_the_metrics_of_the_alarms_are_those_that_functions_print() -> None:
    assert f'namespace           = "{metrics.NAMESPACE}"' in ALARMS["modules/registry/alarms.tf"]
    assert f'namespace = "{metrics.NAMESPACE}"' in ALARMS["modules/devices/alarms.tf"]
    of_runs = re.findall(r'^      metric += "(\w+)"', ALARMS["modules/registry/alarms.tf"], re.MULTILINE)
    assert [name for name in of_runs if name not in set(Count)] == [SILENT, checkup.DAYS_LEFT, checkup.NEW_VERSION]
    counted = re.findall(r'merge\(local\.of_stack, \{\n.*\n\s+metric += "(\w+)"', ALARMS["modules/devices/alarms.tf"])
    flows = "\n".join(file.read_text() for file in (ROOT / "lambda_src/thingbridge/flows").rglob("*.py"))
    assert sorted(counted) == ["ProvisioningRefused", "ReadingsRefused"]
    assert all(f'{{"{name}": 1}}' in flows for name in counted)


def test_every_alarm_is_in_the_table() -> None:
    rows = documents.table(documents.section(PAGE, "Which alarms there are"), "Where")
    documented = {re.sub(r"^<\w+>-(upstream-|downlink-)?", "", documents.code(row[1])[0]) for row in rows}
    keys = {
        key for text in ALARMS.values() for key in re.findall(r"^    ([\w-]+) += (?:merge\(.*)?\{$", text, re.MULTILINE)
    }
    alarm = r'alarm_name += "\$\{var\.(?:stack\.)?name\}-(?:downlink-)?([a-z-]+)"'
    keys |= {name for text in ALARMS.values() for name in re.findall(alarm, text)}
    assert documented == keys


def test_the_number_of_alarms_of_a_default_stack_and_their_price_are_documented() -> None:
    counts = json.loads((INVENTORIES / "minimal.json").read_text())["counts"]
    functions = counts["aws_lambda_function"] - 1  # configure has none
    queues, rules = counts["aws_lambda_event_source_mapping"] - 1, counts["aws_iot_topic_rule"]
    failures, comparisons = counts["aws_lambda_function_event_invoke_config"], counts["aws_scheduler_schedule"]
    # The comparison has four of its own, and none on its duration. Downlinks have one on their stream instead of that.
    number = 3 * functions + failures + 2 * rules + 2 * queues + (4 - 1) * comparisons
    assert f"A stack with the defaults has {number}: {number / 10:.2f} USD a month." in TEXT


def test_the_documented_limits_are_those_of_the_modules() -> None:
    assert "local.by_mqtt ? 100 : null" in FILES["modules/ingest/outputs.tf"]
    assert "0.8 * 60 * var.publishes_per_second" in ALARMS["modules/upstream/alarms.tf"]
    assert "more than 80 of the 100 messages per second" in TEXT
    assert "800 * var.timeout # milliseconds" in ALARMS["modules/function/alarms.tf"]
    assert "takes 80 % of the timeout" in TEXT
    assert re.search(rf"DaysLeft.*?threshold   = {expiry.SOON}\n", ALARMS["modules/registry/alarms.tf"], re.S)
    assert f"ends within {expiry.SOON} days" in TEXT
    assert re.search(
        r'variable "longest_wait_seconds".*?default +=.3600', FILES["modules/work_queue/variables.tf"], re.S
    )
    assert "longest_wait_seconds  = 90000" in FILES["modules/end_to_end_encryption/requeue.tf"]
    assert "longest_wait_seconds = 900" in FILES["modules/upstream/batched.tf"]
    assert "longest_wait_seconds = 300" in FILES["modules/directory/main.tf"]
    assert "longest_wait_seconds  = 21600" in FILES["modules/upstream/waiting.tf"]
    exceptions = "`directory`: five minutes; `upstream`: 15 minutes; `waiting`: six hours, as a rush takes that long"
    assert f"has waited for an hour (`requeue`: 25 hours, as it is tried for a day; {exceptions})" in TEXT


def test_every_setting_is_documented() -> None:
    variables = documents.read("variables.tf")
    variable = re.search(r'^variable "observability" \{\n.*?^  default', variables, re.MULTILINE | re.DOTALL)
    assert variable
    settings = set(re.findall(r"^    (\w+) += optional", variable[0], re.MULTILINE))
    assert {documents.code(row[0])[0] for row in documents.table(PAGE, "Setting")} == settings


def test_the_picture_is_drawn_from_the_dashboard_of_the_example() -> None:
    body = json.loads(dashboard.DASHBOARD.read_text(encoding="utf-8"))
    assert dashboard.PICTURE.read_text(encoding="utf-8") == dashboard.draw(body), "run tests/terraform/dashboard.py"
