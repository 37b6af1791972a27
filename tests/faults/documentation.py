"""The part of docs/faults.md that is generated: a section for each scenario between two marks."""

from collections.abc import Mapping, Sequence

from tests.documents import ROOT

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- by python -m tests.faults -->\n", "<!-- end -->\n"


def sections(text: str) -> dict[str, list[str]]:
    """Scenario → the lines of its section."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.partition(BEGIN)[2].partition(END)[0].splitlines():
        if line.startswith("### "):
            name = line.removeprefix("### ")
            found[name] = []
        elif name:
            found[name].append(line)
    return {name: _stripped(lines) for name, lines in found.items()}


def with_sections(text: str, sections: Mapping[str, Sequence[str]]) -> str:
    """The page with these sections, in their order."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    shown = "\n".join(f"### {name}\n\n" + "\n".join(_stripped(lines)) + "\n" for name, lines in sections.items())
    return f"{before}{BEGIN}\n{shown}\n{END}{after}"


def _stripped(lines: Sequence[str]) -> list[str]:
    return "\n".join(lines).strip("\n").split("\n")
