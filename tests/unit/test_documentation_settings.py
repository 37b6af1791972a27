"""What the documents say about rights, modes, things, the comparison and this checkout is what the code does."""

import inspect
import json
import re
from collections.abc import Mapping
from math import isclose
from typing import Any

import pytest
import typer.main

import cli.app
from handlers import batches
from local import bootstrap, demo
from local.things_stack.network.network import Network
from tests import documents
from tests.documents import ROOT
from thingbridge import metrics
from thingbridge.aws import secrets
from thingbridge.aws.things import THINGS_PER_PAGE
from thingbridge.encryption import downlinks
from thingbridge.errors import BadInput
from thingbridge.flows import (
    api_key,
    convergence,
    directory,
    directory_upkeep,
    downlink_order,
    requeue,
    sync,
    thing_directory,
    waiting,
)
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.flows.ingest.integration import IngestMode
from thingbridge.flows.ingest.modes import MODES
from thingbridge.flows.registry import setbacks
from thingbridge.flows.sync import Tick
from thingbridge.lorawan import versions
from thingbridge.registry import attributes, marks, reconcile
from thingbridge.registry.attributes import Attribute
from thingbridge.registry.identity import MismatchingStack
from thingbridge.registry.sync import (
    COUNTED_AS,
    DEVICES_PER_PAGE,
    LAST_PAGE_BEFORE_END,
    LONGEST_BACKLOG,
    LOOKED_AT_IF_REFUSED,
    Count,
    SyncMode,
)

README = documents.read("README.md")
CONTRIBUTING = documents.read("CONTRIBUTING.md")
ARCHITECTURE = documents.read("docs/architecture.md")
DIRECTORY = documents.read("docs/directory.md")
ENCRYPTION = documents.read("docs/end_to_end_encryption.md")
INGEST = documents.read("docs/ingest.md")
LOCAL = documents.read("docs/local.md")
REGISTRY = documents.read("docs/registry.md")
SYNC = documents.read("docs/sync.md")


def codes(cell: str) -> list[str]:
    return documents.code(cell)


def flat(text: str) -> str:
    """The text with single spaces instead of line breaks."""
    return " ".join(text.split())


# Rights of the API key


def labels(rights: Mapping[str, str]) -> set[str]:
    """Rights as the documents write them, without the application that all of them are for."""
    return {label.removesuffix(" in application").lower() for label in rights.values()}


def listed(cell: str) -> set[str]:
    return set(cell.strip("*").split(", "))


def test_the_readme_lists_the_rights_of_the_api_key() -> None:
    rows = documents.table(README, "Required")
    assert listed(rows[0][1]) == labels(api_key.RIGHTS)
    for_modes = {mode: listed(rights) for when, rights in rows for mode in codes(when) if mode in list(IngestMode)}
    assert for_modes == {mode: labels(MODES[mode].RIGHTS) for mode in IngestMode if MODES[mode].RIGHTS}
    (encryption,) = [listed(rights) for when, rights in rows if "end_to_end_encryption" in when]
    assert encryption == labels(setup.RIGHTS) - labels(api_key.RIGHTS)


def test_the_rights_of_the_modes_and_of_encryption_are_documented_on_their_pages() -> None:
    (row,) = [row for row in documents.table(INGEST, "") if row[0].startswith("Rights of the API key")]
    pubsub, package = (listed(part.partition(": ")[2]) for part in row[1].split("; "))
    assert pubsub == listed(row[2]) == listed(row[3]) == labels(MODES[IngestMode.WEBHOOK].RIGHTS)
    assert package == labels(MODES[IngestMode.PACKAGE].RIGHTS)
    (item,) = re.findall(r"^- Two rights .*?(?=^- )", ENCRYPTION, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\*([^*]+)\*", item)) == labels(setup.RIGHTS) - labels(api_key.RIGHTS)


# Modes of ingest


@pytest.mark.parametrize("document", ["README.md", "docs/ingest.md"])
def test_the_modes_of_ingest_and_their_default_are_documented(document: str) -> None:
    rows = documents.table(documents.read(document), "`ingest.mode`")
    variables = documents.read("variables.tf")
    (default,) = re.findall(r'^  default  = \{ mode = "(\w+)" \}$', variables, re.MULTILINE)
    (accepted,) = re.findall(r"^    condition += contains\((\[.*\]), var\.ingest\.mode\)$", variables, re.MULTILINE)
    assert {codes(row[0])[0] for row in rows} == set(IngestMode) == set(json.loads(accepted))
    assert [codes(row[0])[0] for row in rows if "(default)" in row[0]] == [default]


# Things


ATTRIBUTES = documents.table(documents.section(REGISTRY, "From thing to device"), "Attribute")
THING = {
    Attribute.DEV_EUI: "A81758FFFE0312AB",
    Attribute.JOIN_EUI: "A81758FFFE000001",
    Attribute.LORAWAN_VERSION: "1.1",
    Attribute.REGIONAL_PARAMETERS_VERSION: "1.1-b",
    Attribute.APP_KEY: "00112233445566778899AABBCCDDEEFF",
    Attribute.NWK_KEY: "00112233445566778899AABBCCDDEEFF",
}


def test_every_attribute_of_a_thing_is_documented() -> None:
    documented = {name for row in ATTRIBUTES for name in codes(row[0])}
    assert documented | {Attribute.CLAIM_AUTHENTICATION_CODE} == set(Attribute)
    assert f"`{Attribute.CLAIM_AUTHENTICATION_CODE}` (1 to 32 letters and digits)" in REGISTRY
    assert set(Attribute) <= set(codes(documents.section(README, "Things")))


def test_required_attributes_are_required_and_others_have_the_documented_default() -> None:
    required = {codes(row[0])[0] for row in ATTRIBUTES if row[2].startswith("required")}
    # Whether a thing belongs to the stack is decided before: nothing is created for a thing without `stackName`.
    assert required - {Attribute.STACK_NAME} == set(THING)
    device = attributes.new_device(THING, "EU_863_870")
    assert device.device_id == f"eui-{THING[Attribute.DEV_EUI].lower()}"
    assert device.frequency_plan_id == "EU_863_870"
    for name in THING:
        with pytest.raises(BadInput):
            attributes.new_device({other: value for other, value in THING.items() if other != name}, "EU_863_870")
    before = {**THING, Attribute.LORAWAN_VERSION: "1.0.3", Attribute.REGIONAL_PARAMETERS_VERSION: "1.0.3-a"}
    del before[Attribute.NWK_KEY]
    assert attributes.new_device(before, "").nwk_key is None


def test_the_documented_versions_are_all_that_the_things_stack_knows() -> None:
    values = {name: codes(row[1]) for row in ATTRIBUTES for name in codes(row[0])}
    mac = {versions.mac_version("v", each) for each in values["lorawanVersion"]}
    phy = {versions.phy_version("v", each) for each in values["regionalParametersVersion"]}
    assert mac == set(versions.MAC_VERSIONS.values())
    assert phy == set(versions.PHY_VERSIONS.values())
    (sentence,) = re.findall(r"The names that TTS itself uses, such as .*", REGISTRY)
    mac_name, phy_name = codes(sentence)
    assert (versions.mac_version("v", mac_name), versions.phy_version("v", phy_name)) == (mac_name, phy_name)
    (sentence,) = re.findall(r"So are the names of the\nspecifications .*", REGISTRY)
    assert {versions.phy_version("v", name) for name in codes(sentence)} == {"PHY_V1_0_3_REV_A"}


def test_the_default_versions_of_a_claim_are_documented() -> None:
    claimed = attributes.new_device(
        {
            Attribute.DEV_EUI: THING[Attribute.DEV_EUI],
            Attribute.JOIN_EUI: THING[Attribute.JOIN_EUI],
            Attribute.CLAIM_AUTHENTICATION_CODE: "A1",
        },
        "EU_863_870",
    )
    (sentence,) = re.findall(r"the default versions are (.*?)\. ", flat(REGISTRY))
    mac, phy = codes(sentence)
    assert claimed.mac_version == versions.mac_version("v", mac)
    assert claimed.phy_version == versions.phy_version("v", phy)


def test_the_reason_of_a_device_that_belongs_to_another_stack_is_quoted() -> None:
    assert f"`{MismatchingStack('<eui>', 'tank-7')}`" in REGISTRY


# The comparison


def test_the_metrics_of_a_run_are_documented() -> None:
    rows = documents.table(documents.section(SYNC, "Metrics"), "Metric")
    assert {name for row in rows for name in codes(row[0])} == set(Count)
    assert f"namespace `{metrics.NAMESPACE}` with the dimension `{metrics.STACK_DIMENSION}`" in flat(SYNC)


def test_every_decision_is_documented_with_its_count() -> None:
    rows = documents.table(documents.section(SYNC, "Decisions"), "Thing")
    assert {code for row in rows for code in codes(row[-1])} == set(COUNTED_AS.values())


def test_the_marks_of_a_device_are_documented() -> None:
    assert f"`{marks.ATTRIBUTE}`" in SYNC
    example = re.search(r"`(\S+/\S+/\S+/\S+/\S+)`", documents.section(SYNC, "Decisions"))
    assert example
    mark = marks.read({marks.ATTRIBUTE: example[1]})
    assert mark
    assert mark.text() == example[1]
    assert {f"`{word}`" for word in (marks.UNFINISHED, marks.KEPT)} <= set(re.findall(r"`\w+`", SYNC))
    assert f"{marks.ATTRIBUTES_PER_DEVICE} attributes of its own" in flat(SYNC)
    assert f"{marks.LONGEST_VALUE} characters" in flat(SYNC)


def test_the_figures_of_a_run_are_documented() -> None:
    text = flat(SYNC)
    searches = setting("variables.tf", "list_things_per_second")
    assert searches == sync.LIST_THINGS_PER_SECOND == 0.8 * 10
    assert sync.SHARE_OF_PAGES + sync.SHARE_BESIDE_WORK == 1
    assert f"{sync.SHARE_OF_PAGES} * var.limits.list_things_per_second / 3 /" in documents.read(
        "modules/registry/main.tf"
    )
    look_ups = sync.SHARE_OF_PAGES * searches / 3
    assert f"({DEVICES_PER_PAGE} per page, {sync.DEVICE_PAGES_PER_SECOND:g} pages per second)" in text
    assert f"({THINGS_PER_PAGE} per page, {sync.SHARE_OF_PAGES * searches:g} pages per second; AWS allows" in text
    assert f"at most {LONGEST_BACKLOG:,} may wait" in text
    assert f"at most {3 * look_ups:g} per second. So {look_ups:g} devices per second" in text
    assert f"a run reads {sync.SHARE_BESIDE_WORK * searches:g} pages of things per second" in text
    assert f"less than {LAST_PAGE_BEFORE_END:g} seconds of the function's 15 minutes" in text
    assert (
        f"more than {reconcile.SAFE_DELETIONS} devices, and more than {reconcile.SAFE_SHARE:.0%}".replace("%", " %")
        in text
    )
    assert f"or more than {reconcile.FEW_DELETIONS} and at least {reconcile.LARGE_SHARE:.0%}".replace("%", " %") in text
    assert f"up to {LOOKED_AT_IF_REFUSED} of them" in text
    assert "waited behind a run for more than a minute is dropped" in text
    assert sync.STALE_AFTER == 60


def test_a_run_can_be_started_with_the_documented_message() -> None:
    section = documents.section(SYNC, "Run it on demand")
    (body,) = [json.loads(code) for code in codes(section) if code.startswith("{")]
    run = Tick("1", json.dumps(body), 0.0, first_delivery=True).run(SyncMode.APPLY, 1.0)
    assert run is not None
    assert run.mode is SyncMode.REPORT
    assert f"with the message group `{sync.MESSAGE_GROUP}`" in flat(section)


# Failures and limits


def test_failed_messages_are_kept_as_long_as_documented() -> None:
    inventory = json.loads(documents.read("tests/terraform/inventories/complete.json"))
    kept = {
        each["name"]: each["message_retention_seconds"]
        for address, each in inventory["resources"].items()
        if ".aws_sqs_queue." in address and re.search("dead-letters|failures", each["name"])
    }
    assert len(kept) > 6
    assert set(kept.values()) == {14 * 86_400}
    assert "failed for another reason, kept for 14 days" in README


def setting(file: str, name: str, after: str = "") -> int:
    """The first whole number that a Terraform file gives to `name`, from the text `after` on."""
    text = documents.read(file)
    found = re.search(rf"^ +{name} += (?:optional\(number, )?(\d+)", text[text.index(after) :], re.MULTILINE)
    assert found
    return int(found[1])


def test_the_tries_of_every_hop_are_documented() -> None:
    hops = dict(documents.table(ARCHITECTURE, "Hop"))
    words = {2: "two", 4: "four", 10: "ten"}
    retries = setting("modules/function/variables.tf", "maximum_retry_attempts")
    receives = setting("modules/work_queue/variables.tf", "default", 'variable "maximum_receive_count"')
    runs = setting("modules/registry/sync.tf", "maximum_receive_count")
    assert hops["function `upstream`"].startswith(f"{words[retries]} more tries")
    assert hops["function `shadow`"].startswith(f"{words[receives]} tries")
    assert hops["function `registry`"].startswith(f"{words[receives]} tries")
    assert hops["schedule → function `sync`"].startswith(f"{words[runs]} tries")
    assert f"an event is tried {words[receives]} times" in flat(REGISTRY)
    assert hops["function `requeue`"].startswith("a day of tries")
    days = setting("modules/end_to_end_encryption/requeue.tf", "maximum_receive_count")
    assert 86_400 <= seconds_of_tries(days, requeue.LONGEST_PAUSE) < 86_400 + requeue.LONGEST_PAUSE
    downlinks = setting("modules/downlink/main.tf", "maximum_receive_count")
    assert hops["function `downlink`"].endswith(f"{downlinks} tries within 7 hours, then the dead-letter queue")
    assert 6 * 3600 <= seconds_of_tries(downlinks, downlink_order.LONGEST_PAUSE) < 7 * 3600
    *first, longest = batches.PAUSES
    assert 3600 <= seconds_of_tries(receives, longest) < 3600 + longest
    assert f"after {', '.join(map(str, first))} and then every {longest} seconds" in flat(ARCHITECTURE)
    assert [min(pause, sync.LONGEST_PAUSE) for pause in batches.PAUSES[: runs - 1]] == [5, 30, 120]
    assert "after 5, 30 and 120 seconds" in flat(SYNC)


def test_the_limits_are_documented_with_their_defaults() -> None:
    page = documents.section(documents.read("docs/upstream.md"), "Quotas and limits")
    documented = {codes(row[0])[0]: int(row[1]) for row in documents.table(page, "`limits.…`")}
    variables = documents.read("variables.tf")
    (block,) = re.findall(r'^variable "limits" \{\n.*?^  default', variables, re.MULTILINE | re.DOTALL)
    defaults = {name: int(value) for name, value in re.findall(r"^    (\w+) += optional\(number, (\d+)\)", block, re.M)}
    assert documented == defaults
    for module in ("registry", "shadow", "upstream"):
        text = documents.read(f"modules/{module}/variables.tf")
        (block,) = re.findall(r'^variable "limits" \{\n.*?^  default', text, re.MULTILINE | re.DOTALL)
        assert {(name, int(value)) for name, value in re.findall(r"(\w+) += optional\(number, (\d+)\)", block)} <= {
            *defaults.items()
        }
    assert defaults["create_thing_per_second"] == 0.8 * 100
    assert defaults["shadow_writes_per_second"] == 0.8 * 400


def test_the_figures_of_waiting_messages_are_documented() -> None:
    text = flat(documents.section(documents.read("docs/upstream.md"), "Many new devices at once"))
    pauses = ", ".join(map(str, batches.PAUSES))
    assert f"delivered after {pauses} and then every {waiting.LONGEST_PAUSE:,} seconds" in text
    assert waiting.MOST_ATTEMPTS == 10
    assert "fails for another reason ten times" in text
    things, searches = (setting("variables.tf", f"{name}_per_second") for name in ("create_thing", "list_things"))
    assert "list_things_per_second / 2" in documents.read("modules/upstream/waiting.tf")
    assert (10_000 / things / 60, searches / 2 / 2) == (pytest.approx(2, rel=0.1), 2)
    assert "10,000 new devices get their things in about two minutes" in text
    assert "it is two devices per second" in text
    assert f"{3600 * things:,} an hour by default" in flat(documents.read("docs/alarms.md"))
    assert setting("modules/upstream/waiting.tf", "longest_wait_seconds") == 6 * 3600
    assert "`waiting`: six hours" in documents.read("docs/alarms.md")


def seconds_of_tries(receives: int, longest_pause: int) -> int:
    """From the first delivery of a message to its last."""
    pauses = [min(longest_pause, pause) for pause in batches.PAUSES]
    return sum((pauses + [pauses[-1]] * receives)[: receives - 1])


def test_the_times_in_the_documents_are_those_of_the_code() -> None:
    assert f"retries one call of The Things Stack for {setbacks.PATIENCE:g} seconds" in flat(ARCHITECTURE)
    assert f"(retried for {sync.PATIENCE:g} seconds)" in flat(SYNC)
    assert (setbacks.PASSING, setbacks.LONGEST_PAUSE) == (600, 3600)
    assert "has been failing for ten minutes" in flat(SYNC)
    assert "an hour at most" in flat(SYNC)
    assert f"retried for {convergence.PATIENCE:g} seconds" in flat(ARCHITECTURE)
    assert f"tried for {convergence.REMOVAL_PATIENCE:g} seconds" in flat(ARCHITECTURE)
    assert f"asked for again after {thing_directory.KNOWN_FOR:g} seconds" in flat(ARCHITECTURE)
    assert f"asks the table again after {thing_directory.KNOWN_FOR:g} seconds" in flat(DIRECTORY)
    assert f"every {directory_upkeep.SURVEYED_EVERY / 3600:g} hours" in flat(DIRECTORY)
    assert f"counts for {directory_upkeep.GOOD_FOR / 86400:g} days" in flat(DIRECTORY)
    assert f"within {directory.ON_ITS_WAY:g} seconds" in flat(DIRECTORY)
    assert f"for {secrets.TIME_TO_LIVE / 60:g} minutes at a time" in flat(ENCRYPTION)
    assert f"{downlinks.MOST_ATTEMPTS} times by default" in flat(ENCRYPTION)


def test_the_sum_of_the_costs_is_the_sum() -> None:
    rows = documents.table(documents.section(ARCHITECTURE, "What an uplink costs"), "")
    *parts, total = [[float(number) for number in re.findall(r"\d+\.\d+", row[2])] for row in rows]
    assert isclose(sum(map(sum, parts)), total[0])
    assert isclose(total[0] - parts[-1][0], total[1])


# This checkout


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_required_versions_are_those_that_are_checked(document: str) -> None:
    python, terraform = map(bootstrap.dotted, (bootstrap.PYTHON_NEEDED, bootstrap.TERRAFORM_NEEDED))
    assert f"You need Python {python} or newer, Terraform {terraform} or newer, and make." in documents.read(document)
    assert f'requires-python = ">={python}"' in documents.read("pyproject.toml")
    assert f'required_version = ">= {terraform}"' in documents.read("versions.tf")


def test_the_virtual_environments_are_documented() -> None:
    rows = documents.table(CONTRIBUTING, "Environment")
    assert [(codes(row[0])[0], codes(row[2])[0].replace(".in", ".txt")) for row in rows] == [
        (each.directory.name, each.requirements.name) for each in bootstrap.ENVIRONMENTS
    ]
    assert all((ROOT / codes(row[2])[0]).is_file() for row in rows)


def test_the_readme_lists_the_commands_of_the_command_line() -> None:
    (sentence,) = re.findall(r"The `thingbridge` command works .*?See ", README, re.DOTALL)
    root: Any = typer.main.get_command(cli.app.app)
    single, *others = codes(sentence)[1:]
    name, _, actions = single.partition(" ")
    assert set(actions.split("|")) == set(root.commands[name].commands)
    assert {name, *others} == set(root.commands)


def test_the_transcript_in_the_readme_has_the_titles_of_the_demo() -> None:
    (transcript,) = documents.blocks(README, "text")
    titles = dict(re.findall(r"^(\d+) · (.+)$", transcript, re.MULTILINE))
    assert titles
    assert {demo.STEPS[int(number) - 1].title for number in titles} == set(titles.values())


def test_the_calls_that_control_a_simulated_device_exist_as_documented() -> None:
    calls = [code for row in documents.table(documents.section(LOCAL, "Payloads"), "Call") for code in codes(row[0])]
    assert len(calls) > 4
    for call in calls:
        name, arguments = re.fullmatch(r"(\w+)\((.*)\)", call).groups()  # type: ignore[union-attr]
        parameters = inspect.signature(getattr(Network, name)).parameters
        assert set(re.findall(r"(\w+)=…", arguments)) <= set(parameters)
        assert list(parameters)[:3] == ["self", "application_id", "device_id"]
