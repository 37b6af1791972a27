"""The variables and outputs of a module as the tables of its README.

`python tests/terraform/interface.py` writes them into every README; a test holds both together.
"""

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted(folder for folder in (REPOSITORY / "modules").iterdir() if folder.is_dir())

BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
DESCRIPTION = re.compile(r'^  description = "((?:[^"\\]|\\.)*)"$', re.MULTILINE)
TYPE = re.compile(r"^  type\s+= (.+?)\n(?=  \w|\n|\Z)", re.MULTILINE | re.DOTALL)
DEFAULT = re.compile(r"^  default\s+= (.+)$", re.MULTILINE)
_TOKEN = re.compile(r'#[^\n]*|("(?:[^"\\]|\\.)*"|[\w.+-]+|[{}()=,])')
_TABLES = re.compile(r"^## Variables\n.*?(?=^## (?!Outputs)|\Z)", re.MULTILINE | re.DOTALL)


def blocks(module: Path, file: str) -> dict[str, str]:
    """The body of each variable or output, by name. A part of a module may have a file of its own: `<part>_<file>`."""
    texts = [each.read_text(encoding="utf-8") for each in sorted(module.glob(f"*{file}"))]
    return dict(sorted((label, body) for text in texts for _, label, body in BLOCK.findall(text)))


def described(body: str) -> str:
    """The description of a variable or output, as a table shows it."""
    found = DESCRIPTION.search(body)
    return found[1].replace('\\"', '"').replace("<", "\\<") if found else ""


def variables(module: Path) -> list[str]:
    """A row for each variable. The root's shows what an object holds that is not set."""
    rows = []
    for label, body in blocks(module, "variables.tf").items():
        default, type_ = DEFAULT.search(body), TYPE.search(body)
        shown = "required" if default is None else f"`{default[1]}`"
        if module == REPOSITORY and default and default[1].startswith("{") and type_ and "object(" in type_[1]:
            shown = f"`{_written(_defaults(_tokens(type_[1])) | _object(_tokens(default[1])))}`"
        rows.append(f"| `{label}` | {shown} | {described(body)} |")
    return rows


def outputs(module: Path) -> list[str]:
    """A row for each output."""
    return [f"| `{label}` | {described(body)} |" for label, body in blocks(module, "outputs.tf").items()]


def tables(module: Path) -> str:
    """Both tables, each under its heading."""
    return "\n".join(
        [
            *("## Variables", "", "| Variable | Default | |", "|---|---|---|", *variables(module)),
            *("", "## Outputs", "", "| Output | |", "|---|---|", *outputs(module), ""),
        ]
    )


def _tokens(text: str) -> Iterator[str]:
    return (match[1] for match in _TOKEN.finditer(text) if match[1])


def _defaults(tokens: Iterator[str]) -> dict[str, object]:
    """What the attributes of `object({ … })` are when nothing is set, without those that are required."""
    found: dict[str, object] = {}
    name = ""
    for token in tokens:
        if token in ("object", "(", "{"):
            continue
        if token == "}":
            next(tokens)  # the parenthesis of `object(`
            break
        if token == "=":
            attribute, value = name, next(tokens)
            if value == "optional":
                next(tokens)
                found[attribute] = _optional(tokens)
        name = token
    return found


def _optional(tokens: Iterator[str]) -> object:
    """The value of an attribute of type `optional(…)` that is not set; `tokens` begin after the parenthesis."""
    type_ = next(tokens)
    nested = _defaults(tokens) if type_ == "object" else None
    if next(tokens) == ")":
        return "null"
    default = next(tokens)
    if default == "{":
        next(tokens)
        default = "{}"
    next(tokens)
    return nested if nested is not None else default


def _object(tokens: Iterator[str]) -> dict[str, object]:
    """The attributes of a literal without nested objects."""
    parts = [token for token in tokens if token not in "{},"]
    return dict(zip(parts[::3], parts[2::3], strict=True))


def _written(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    return "{ " + ", ".join(f"{name} = {_written(each)}" for name, each in sorted(value.items())) + " }"


def write(module: Path) -> None:
    """Replace the tables of a README."""
    readme = module / "README.md"
    text = readme.read_text(encoding="utf-8")
    replaced = _TABLES.sub(lambda found: tables(module) + ("\n" if found.end() < len(text) else ""), text)
    readme.write_text(replaced, encoding="utf-8")


if __name__ == "__main__":
    for each in (REPOSITORY, *MODULES):
        write(each)
