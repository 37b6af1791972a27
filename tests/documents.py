"""The documents of the repository as tests read them: code, links, headings and tables of Markdown files.

What must hold for them is in tests/unit/test_documentation*.py and beside the code that a document describes.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    document
    for pattern in ("*.md", "docs/*.md", "examples/*/*.md", "modules/*/*.md")
    for document in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


def name(document: Path) -> str:
    """The path of a document in the repository."""
    return document.relative_to(ROOT).as_posix()


def read(path: str) -> str:
    """The text of a document, by its path in the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A document without its code blocks."""
    return _FENCE.sub("", text)


def blocks(text: str, language: str) -> list[str]:
    """The code blocks in a language."""
    return [block for written, block in _FENCE.findall(text) if written == language]


def code(text: str) -> list[str]:
    """Everything that a text sets as code within a line."""
    return _CODE.findall(prose(text))


def links(text: str) -> list[str]:
    """The targets of a text's links."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub forms them."""
    headings = (heading.lower() for _, heading in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def section(text: str, heading: str) -> str:
    """The part of a document under a heading, subsections included. Fails if there is no such heading."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, f"no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def table(text: str, header: str) -> list[list[str]]:
    """The cells of the rows below the header of a table, found by the header of its first column. Fails without one."""
    found = re.search(rf"^\| ?{re.escape(header)} \|.*\n\|[-:| ]+\n((?:\|.*\n?)+)", text, re.MULTILINE)
    assert found, f"no table with {header!r}"
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in found[1].splitlines()]
