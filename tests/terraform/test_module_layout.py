"""The form of every module, read from its files: what a reader finds where, and what the style rules out.

Terraform is not run here.
"""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted(folder for folder in (REPOSITORY / "modules").iterdir() if folder.is_dir())
ROOT_AND_MODULES = [REPOSITORY, *MODULES]
FILES = sorted(
    file
    for pattern in ("*.tf", "modules/*/*.tf", "examples/*/*.tf", "tests/terraform/**/*.hcl")
    for file in REPOSITORY.glob(pattern)
)
_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_DESCRIPTION = re.compile(r'^  description = "((?:[^"\\]|\\.)*)"$', re.MULTILINE)
_TYPE = re.compile(r"^  type\s+= (.+?)\n(?=  \w|\n|\Z)", re.MULTILINE | re.DOTALL)
_DEFAULT = re.compile(r"^  default\s+= (.+)$", re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path != REPOSITORY else "root"


def blocks(module: Path, file: str) -> dict[str, str]:
    return {label: body for _, label, body in _BLOCK.findall((module / file).read_text())}


def described(body: str) -> str:
    found = _DESCRIPTION.search(body)
    return found[1].replace('\\"', '"').replace("<", "\\<") if found else ""


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_has_its_five_files(module: Path) -> None:
    missing = {"README.md", "main.tf", "variables.tf", "outputs.tf", "versions.tf"} - {f.name for f in module.iterdir()}
    assert not missing


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_a_variable_says_what_it_is(module: Path) -> None:
    faults = []
    variables = blocks(module, "variables.tf")
    for label, body in variables.items():
        default = _DEFAULT.search(body)
        if len(described(body)) < 10:
            faults.append(f"{label}: no description")
        exact_type = _TYPE.search(body)
        if not exact_type or re.search(r"\bany\b", exact_type[1]):
            faults.append(f"{label}: no exact type")
        if default and default[1] != "null" and not re.search(r"^  nullable\s+= false$", body, re.MULTILINE):
            faults.append(f"{label}: has a default and yet takes null")
    assert variables
    assert not faults


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_variables_and_outputs_stand_in_alphabetical_order(module: Path) -> None:
    for file in ("variables.tf", "outputs.tf"):
        labels = list(blocks(module, file))
        assert labels == sorted(labels), file


@pytest.mark.parametrize("module", ROOT_AND_MODULES, ids=name)
def test_an_output_says_what_it_is(module: Path) -> None:
    outputs = blocks(module, "outputs.tf")
    assert outputs
    assert not [label for label, body in outputs.items() if len(described(body)) < 10]


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_readme_lists_every_variable_and_output(module: Path) -> None:
    rows = []
    for label, body in blocks(module, "variables.tf").items():
        default = _DEFAULT.search(body)
        shown = "required" if default is None else f"`{default[1]}`"
        rows.append(f"| `{label}` | {shown} | {described(body)} |")
    rows += [f"| `{label}` | {described(body)} |" for label, body in blocks(module, "outputs.tf").items()]
    readme = (module / "README.md").read_text()
    table = [line for line in readme.splitlines() if line.startswith("| `")]
    assert table == rows, "the tables should be:\n" + "\n".join(rows)


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_calls_no_other_and_configures_no_provider(module: Path) -> None:
    for file in module.glob("*.tf"):
        assert not re.search(r'^(module|provider) "', file.read_text(), re.MULTILINE), file.name


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
    assert without_aws == {"package"}
    assert {tuple(re.findall(r' version = "(.+)"', text)) for text in texts.values() if "hashicorp/aws" in text} == {
        (">= 5.100, < 7",)
    }
