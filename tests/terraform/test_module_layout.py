"""The form of every module, read from its files: what is where, who calls whom, and what the style rules out.

Terraform is not run here.
"""

import re
from pathlib import Path

import pytest

from tests.terraform.interface import BLOCK, DEFAULT, TYPE, blocks, described, tables
from tests.terraform.interface import variables as interface_variables

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted(folder for folder in (REPOSITORY / "modules").iterdir() if folder.is_dir())
# Call nothing. All but the last are about AWS; the last knows the addresses of The Things Stack and creates nothing.
PRIMITIVES = {
    "function",
    "log_group",
    "package",
    "prebuilt",
    "schedule",
    "secret",
    "table",
    "topic_rule",
    "work_queue",
    "things_stack",
}
CAPABILITIES = {folder.name for folder in MODULES} - PRIMITIVES
WITHOUT_PROVIDER = {"package", "things_stack"}
# The same name, type and meaning wherever they are taken.
SHARED = (
    "alarms",
    "aws",
    "base_topic",
    "end_to_end_encryption",
    "functions",
    "stack",
    "tags",
    "things_log",
    "things_stack",
)
ROOT_AND_MODULES = [REPOSITORY, *MODULES]
FILES = sorted(
    file
    for pattern in ("*.tf", "modules/*/*.tf", "examples/*/*.tf", "tests/terraform/**/*.hcl", "tests/terraform/**/*.tf")
    for file in REPOSITORY.glob(pattern)
)
_MODULE = re.compile(r'^module "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_CALL = re.compile(r'^module "\w+" \{\n\s+source\s+= "([^"]+)"$', re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path != REPOSITORY else "root"


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_has_its_five_files(module: Path) -> None:
    missing = {"README.md", "main.tf", "variables.tf", "outputs.tf", "versions.tf"} - {f.name for f in module.iterdir()}
    assert not missing


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_a_variable_says_what_it_is(module: Path) -> None:
    faults = []
    variables = blocks(module, "variables.tf")
    for label, body in variables.items():
        default = DEFAULT.search(body)
        if len(described(body)) < 10:
            faults.append(f"{label}: no description")
        exact_type = TYPE.search(body)
        if not exact_type or re.search(r"\bany\b", exact_type[1]):
            faults.append(f"{label}: no exact type")
        if default and default[1] != "null" and not re.search(r"^  nullable\s+= false$", body, re.MULTILINE):
            faults.append(f"{label}: has a default and yet takes null")
    assert variables
    assert not faults


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_variables_and_outputs_stand_in_alphabetical_order(module: Path) -> None:
    for file in (*module.glob("*variables.tf"), *module.glob("*outputs.tf")):
        labels = [label for _, label, _ in BLOCK.findall(file.read_text())]
        assert labels == sorted(labels), file.name


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_an_output_says_what_it_is(module: Path) -> None:
    outputs = blocks(module, "outputs.tf")
    assert outputs
    assert not [label for label, body in outputs.items() if len(described(body)) < 10]


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_a_readme_lists_every_variable_and_output(module: Path) -> None:
    readme = (module / "README.md").read_text()
    assert tables(module) in readme, "run `python tests/terraform/interface.py`"


def test_the_root_shows_what_an_object_holds_that_is_not_set() -> None:
    (shown,) = [row for row in interface_variables(REPOSITORY) if row.startswith("| `registry_sync` |")]
    assert '`{ enabled = true, mode = "apply", schedule = "rate(10 minutes)" }`' in shown
    (shown,) = [row for row in interface_variables(REPOSITORY) if row.startswith("| `ingest` |")]
    assert '{ basic_ingest = false, client_id_pattern = "*", mode = "' in shown
    assert 'webhook = { receiver = "function", reserved_concurrency = null, secret_version = 1, url = null }' in shown


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_capability_calls_primitives_and_a_primitive_calls_nothing(module: Path) -> None:
    text = "\n".join(file.read_text() for file in module.glob("*.tf"))
    called = set(_CALL.findall(text))
    assert len(_CALL.findall(text)) == len(re.findall(r'^module "', text, re.MULTILINE))
    assert called <= ({f"../{primitive}" for primitive in PRIMITIVES} if module.name in CAPABILITIES else set())


def test_the_root_calls_every_capability_from_its_folder() -> None:
    called = {source for file in REPOSITORY.glob("*.tf") for source in _CALL.findall(file.read_text())}
    assert called >= {f"./modules/{capability}" for capability in CAPABILITIES}
    assert called <= {f"./modules/{module.name}" for module in MODULES}


def test_what_is_not_needed_to_check_address_and_key_waits_for_the_check() -> None:
    calls = _MODULE.findall((REPOSITORY / "main.tf").read_text())
    waiting = {label for label, body in calls if "module.integration.stack" in body}
    # Ingest: what its modes replace would have the secret of the key replaced in another order (main.tf).
    assert waiting == CAPABILITIES - {"configure", "ingest", "integration"} | {"things_log"}


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_configures_no_provider(module: Path) -> None:
    for file in module.glob("*.tf"):
        assert not re.search(r'^provider "', file.read_text(), re.MULTILINE), file.name


def test_what_comes_last_in_an_apply_reads_nothing() -> None:
    assert 'data "' not in "".join(file.read_text() for file in (REPOSITORY / "modules" / "integration").glob("*.tf"))


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_no_module_call_waits_for_another_module(module: Path) -> None:
    # It would defer the data sources of the called module, and with them its policies, from the plan to the apply.
    for file in module.glob("*.tf"):
        for call in re.findall(r'^module "\w+" \{\n.*?^\}', file.read_text(), re.MULTILINE | re.DOTALL):
            assert "depends_on" not in call, file.name


@pytest.mark.parametrize("capability", sorted(CAPABILITIES - {"integration"}))
def test_a_capability_lists_the_queues_that_hold_what_failed(capability: str) -> None:
    assert "failures" in blocks(REPOSITORY / "modules" / capability, "outputs.tf")


@pytest.mark.parametrize("variable", SHARED)
def test_a_shared_object_is_the_same_in_every_capability(variable: str) -> None:
    found = {
        capability: blocks(REPOSITORY / "modules" / capability, "variables.tf").get(variable)
        for capability in CAPABILITIES
        # In integration, end-to-end encryption is a key; in the others, a grant.
        if (capability, variable) != ("integration", "end_to_end_encryption")
    }
    assert len({body for body in found.values() if body is not None}) == 1, found


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_a_message_says_what_must_hold_and_what_was_given(module: Path) -> None:
    for file in module.glob("*.tf"):
        text = file.read_text()
        for line in re.findall(r"^\s+error_message = .*$", text, re.MULTILINE):
            assert re.search(r' = ".+ must .+; got .+\."$', line), line


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_file_opens_with_what_lives_in_it(file: Path) -> None:
    assert file.read_text().startswith("# ")


@pytest.mark.parametrize("file", [file for file in FILES if not {"tests", "examples"} & set(file.parts)], ids=name)
def test_no_partition_or_region_is_written_down(file: Path) -> None:
    assert not re.search(r"arn:aws[:-]", file.read_text())


def test_every_module_needs_the_same_versions() -> None:
    texts = {module: (module / "versions.tf").read_text() for module in ROOT_AND_MODULES}
    assert {tuple(re.findall(r'required_version = "(.+)"', text)) for text in texts.values()} == {(">= 1.11",)}
    without_aws = {module.name for module, text in texts.items() if "hashicorp/aws" not in text}
    assert without_aws == WITHOUT_PROVIDER
    assert {tuple(re.findall(r' version = "(.+)"', text)) for text in texts.values() if "hashicorp/aws" in text} == {
        (">= 5.100, < 7",)
    }
