"""What the documents refer to exists: links and anchors, paths, commands, and names in the code.

What they say about messages is in test_documentation_messages.py, all else in test_documentation_settings.py.
"""

import importlib.util
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import typer.main

import cli.app
import local.cli
from tests import documents
from tests.documents import DOCUMENTS, ROOT
from thingbridge.flows.end_devices import Outcome

WIDTH = 140
MODULES = {folder.name for folder in (ROOT / "modules").iterdir() if folder.is_dir()}
FOLDERS = [each.name for each in ROOT.iterdir() if each.is_dir() and each.name[0] not in "._"]
FILES = [
    path
    for top in ROOT.iterdir()
    if top.name[0] not in "._"
    for path in (top, *(top.rglob("*") if top.is_dir() else ()))
    if "__pycache__" not in path.parts
]
PATHS = {path.relative_to(ROOT).as_posix() for path in FILES}
SOURCE_SUFFIXES = {".py", ".tf", ".hcl", ".toml", ".in"}
# Not part of this repository: tools, and rights and resources that are only explained.
NAMES_OF_OTHERS = {
    *("checkov", "pip-audit"),
    *("GetObject", "GetObjectVersion", "GetObjectTagging"),
    *("aws_iot_event_configurations", "aws_iot_thing_type", "AddPermission", "RemovePermission"),
    *("CreateStack", "DescribeStacks", "UpdateStack", "DeleteStack", "GetTemplate"),
    *("CreateGrant", "DeleteRolePermissionsBoundary", "PutRolePermissionsBoundary"),
    *("DescribeSecurityGroups", "DescribeVpcs"),
}
_PATH = re.compile(rf"(?:{'|'.join(FOLDERS)}|thingbridge|handlers)/[\w./<>-]*|[\w./<>-]+\.(?:py|tf|toml|in|txt|md)")
_PATH_IN_SOURCE = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]+\.(?:py|tf|hcl|md|json|txt|in)\b")

per_document = pytest.mark.parametrize("document", DOCUMENTS, ids=documents.name)


def sources() -> dict[str, str]:
    """Path -> text of the files that are written in code."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in FILES
        if path.suffix in SOURCE_SUFFIXES or path.name == "Makefile"
    }


def exists(path: str) -> bool:
    """Whether the repository has this path, or one that ends with it; `<…>` stands for any name."""
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    if path.partition("/")[0] in FOLDERS:
        return any(fnmatchcase(each, pattern) for each in PATHS)
    return any(fnmatchcase(each, pattern) or fnmatchcase(each, f"*/{pattern}") for each in PATHS)


@per_document
def test_the_links_of_a_document_lead_somewhere(document: Path) -> None:
    broken = []
    for link in documents.links(document.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if target.startswith("https://"):
            continue
        file = (document.parent / target).resolve() if target else document
        if not file.exists() or (anchor and anchor not in documents.anchors(file.read_text(encoding="utf-8"))):
            broken.append(link)
    assert not broken


@per_document
def test_the_paths_in_a_document_exist(document: Path) -> None:
    words = {word for code in documents.code(document.read_text(encoding="utf-8")) for word in code.split()}
    assert not [word for word in words if _PATH.fullmatch(word) and not exists(word)]


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Every word of the code and its paths."""
    words = re.findall(r"\w+", "\n".join([*sources().values(), *PATHS]))
    return {*words, *(f"end_device_{outcome}" for outcome in Outcome), *NAMES_OF_OTHERS}


@per_document
def test_the_names_in_a_document_are_those_of_the_code(document: Path, names: set[str]) -> None:
    text = document.read_text(encoding="utf-8")
    named = {name for code in documents.code(text) for name in re.findall(r"\w+", code)}
    shown = set(re.findall(r"\w+", "".join(documents.blocks(text, "json"))))
    assert not {name for name in named - names - shown if re.search("[a-z]", name)}


@per_document
def test_the_lines_of_a_document_have_one_width(document: Path) -> None:
    prose = documents.prose(document.read_text(encoding="utf-8"))
    assert not [line for line in prose.splitlines() if len(line) > WIDTH and not line.startswith("|")]


def test_the_paths_in_comments_docstrings_and_descriptions_exist() -> None:
    missing = {
        (file, path) for file, text in sources().items() for path in _PATH_IN_SOURCE.findall(text) if not exists(path)
    }
    assert not missing


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in documents.links(documents.read("README.md"))}
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages | {"CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "modules", "examples", "main.tf"} <= linked


def test_every_module_is_linked_from_the_architecture() -> None:
    linked = documents.links(documents.read("docs/architecture.md"))
    assert {link.removeprefix("../modules/") for link in linked if link.startswith("../modules/")} == MODULES


def test_the_capabilities_of_the_diagram_are_modules() -> None:
    (diagram,) = documents.blocks(documents.read("README.md"), "mermaid")
    capabilities = set(re.findall(r"\[\[(\w+)\]\]", diagram))
    assert {"upstream", "downlink", "registry"} <= capabilities <= MODULES


def test_where_to_find_things_names_a_file_for_every_question() -> None:
    answers = documents.table(
        documents.section(documents.read("docs/architecture.md"), "Where to find things"), "Question"
    )
    assert len(answers) > 15
    for question, answer in answers:
        assert question.endswith("?")
        assert [code for code in documents.code(answer) if _PATH.fullmatch(code) and exists(code)], question


COMMANDS = {
    "thingbridge": typer.main.get_command(cli.app.app),
    "thingbridge-local": typer.main.get_command(local.cli.app),
}


def shown_commands() -> list[tuple[str, str]]:
    """Document and line of every call of the project's commands, in blocks for the shell and within text."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        lines = [line for block in documents.blocks(text, "shell") for line in block.splitlines()]
        lines += [*documents.code(text), *re.findall(r"^\$ (.*(?:\\\n.*)?)$", text, re.MULTILINE)]
        calls = (line.removeprefix(".venv/bin/") for line in lines)
        found += [(documents.name(document), call) for call in calls if re.match(r"thingbridge(-local)? ", call)]
    return found


@pytest.mark.parametrize(("document", "call"), shown_commands())
def test_a_shown_command_and_its_options_exist(document: str, call: str) -> None:
    program, *words = call.split()
    command: Any = COMMANDS[program]
    known = {spelling for each in command.params for spelling in each.opts}
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands
        command = command.commands[words.pop(0)]
        known |= {spelling for each in command.params for spelling in each.opts}
    assert {word for word in words if re.fullmatch("--?[a-z][a-z-]*", word)} <= known


@per_document
def test_the_modules_that_a_document_runs_exist(document: Path) -> None:
    for module in re.findall(r"python -m ([\w.]+)", document.read_text(encoding="utf-8")):
        assert importlib.util.find_spec(f"{module}.__main__") or importlib.util.find_spec(module)


@per_document
def test_the_make_targets_in_a_document_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", documents.read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9-]+)", document.read_text(encoding="utf-8"))) <= targets


def test_the_readme_shows_how_a_device_joins_sends_and_receives() -> None:
    shown = re.findall(r"thingbridge-local (\w+)", documents.read("README.md"))
    assert {"join", "uplink", "downlink", "watch"} <= set(shown)
