"""The HCL of the documentation as a configuration for `terraform test`, with a mocked provider.

The first blocks of the modules' READMEs refer to each other and are planned as one configuration, as a larger
repository would write it. Every other block stands alone.
"""

import re
from pathlib import Path

from tests.sizes import size

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = {folder.name for folder in (REPOSITORY / "modules").iterdir() if folder.is_dir()}
DOCUMENTS = sorted(
    document
    for pattern in ("*.md", "docs/**/*.md", "examples/*/*.md", "modules/*/*.md")
    for document in REPOSITORY.glob(pattern)
)
FOLDER = "documentation"
FILE, RUN = "documentation.tftest.hcl", "every_block_of_the_documentation"
_FENCE = re.compile(r"^```(?:hcl|terraform)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Settings of a whole configuration: they can't stand in a module, and the mocked provider needs none.
_CONFIGURATION = re.compile(r"^(?:provider|terraform)\b[^\n]*\{(?:\}|\n.*?^\})$", re.MULTILINE | re.DOTALL)
_SOURCE = re.compile(r'^(\s+source\s+= )"([^"]+)"(?: #.*)?$', re.MULTILINE)
_VERSION = re.compile(r'^\s+version\s+= "[^"]+"\n', re.MULTILINE)
# Values that blocks leave to their readers.
_GIVEN = {
    "api_key": '"NNSXS.KEY.SECRET"',
    "application_api_key": '"NNSXS.KEY.SECRET"',
}


def blocks() -> list[tuple[str, str]]:
    return [
        (f"{document.relative_to(REPOSITORY)}:{number}", block)
        for document in DOCUMENTS
        for number, block in enumerate(_FENCE.findall(document.read_text()), 1)
    ]


def configurations() -> list[tuple[str, str]]:
    """Name and text of each configuration to plan."""
    together = {name: text for name, text in blocks() if re.fullmatch(r"modules/\w+/README\.md:1", name)}
    alone = [(name, text) for name, text in blocks() if name not in together]
    # The pages in docs/ show the whole module again, each with another choice.
    alone = size([each for each in alone if not each[0].startswith("docs/")], alone)
    return [("modules/*/README.md", "\n".join(together.values())), *alone]


def prepared(block: str, depth: str) -> str:
    """The block as a module: sources lead into the copy of the repository, and what readers bring along exists."""

    def source(match: re.Match[str]) -> str:
        module = re.search(r"modules/\w+", match[2])
        return f'{match[1]}"{depth}{module[0] if module else ""}"'

    block = _VERSION.sub("", _SOURCE.sub(source, _CONFIGURATION.sub("", block)))
    declared = set(re.findall(r'^variable "(\w+)"', block, re.MULTILINE))
    for name in sorted(set(re.findall(r"\bvar\.(\w+)", block)) - declared):
        block += f'\nvariable "{name}" {{\n  default = {_GIVEN[name]}\n}}\n'
    made = set(re.findall(r'^resource "aws_sqs_queue" "(\w+)"', block, re.MULTILINE))
    for name in sorted(set(re.findall(r"\baws_sqs_queue\.(\w+)", block)) - made):
        block += f'\nresource "aws_sqs_queue" "{name}" {{}}\n'
    return re.sub(
        r'^variable "(\w+)" \{\n(?!  default)',
        lambda match: f'variable "{match[1]}" {{\n  default = {_GIVEN[match[1]]}\n',
        block,
        flags=re.MULTILINE,
    )


def write(tree: Path, mocked: Path) -> None:
    """Write the configuration into a copy of the repository, and a test file that plans it into the folder `mocked`."""
    folder = tree / FOLDER
    calls = []
    for number, (name, block) in enumerate(configurations()):
        module = folder / f"block_{number}"
        module.mkdir(parents=True)
        (module / "main.tf").write_text(prepared(block, "../../"))
        if "functions.zip" in block:
            (tree / "functions.zip").write_bytes(b"")
        for file in re.findall(r'\bfile\("([\w.]+\.pem)"\)', block):
            (tree / file).write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        if "/codecs" in block:
            (module / "codecs").mkdir()
            (module / "codecs" / "soil.py").write_text("DEVICES = []\n")
        calls.append(f'# {name}\nmodule "block_{number}" {{\n  source = "./block_{number}"\n}}\n')
    (folder / "main.tf").write_text("\n".join([(tree / "versions.tf").read_text(), *calls]))
    (mocked / FILE).write_text(
        f'''mock_provider "aws" {{
          source = "./{mocked.relative_to(tree)}/mocks"
        }}

        run "{RUN}" {{
          command = plan

          module {{
            source = "./{FOLDER}"
          }}
        }}'''
    )
