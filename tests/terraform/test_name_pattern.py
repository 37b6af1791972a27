"""The rule for `devices.provisioning.name_pattern`: what Terraform accepts, the function `provision` reads as well.

Terraform reads a pattern as RE2, the function with Python's `re`, and each takes what the other does not. The condition
of the variable is evaluated for all patterns by one `terraform console`.
"""

import itertools
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from handlers.settings import ProvisionSettings
from tests.sizes import size

# Before the plans, which take longer; with them, as one worker has them.
pytestmark = pytest.mark.xdist_group("plans")

Accept = Callable[[list[str]], list[str]]

VARIABLES = Path(__file__).resolve().parents[2] / "modules" / "devices" / "provisioning_variables.tf"

USUAL = (
    "[A-Za-z0-9:_-]+",
    "probe-[0-9]{4}",
    "^probe-[0-9]+$",
    r"(probe|tank)-\d+",
    r"[\w-]{8,}",
    "(?:[0-9a-f]{2}:){5}[0-9a-f]{2}",
    "hall-[^0-9_]?.*",
    "[0-9]{1,3}?",
)
# What both take has to mean the same as well, or is of no use for a name.
REFUSED = (
    "(",
    "[z-a]",
    "a{2,1}",
    "a**",
    "a++",
    "a*+",
    "a{2}+",
    "(?>a)",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
    "(?<!a)",
    "(?P<a>b)",
    "(?<a>b)",
    "(?P=a)",
    "(?#a)",
    "(?i)a",
    "a(?i)b",
    "(?i:a)",
    "(?U)a",
    "^*",
    "a{,3}",
    "a{1001}",
    "[]a]",
    r"[\d-z]",
    "[[:alpha:]]",
    r"\Qa\E",
    r"a\z",
    r"a\Z",
    r"\Aa",
    r"a\b",
    r"(a)\1",
    r"\pN",
    r"\x{61}",
    r"\u0061",
    "é",
    "probe 1",
    "a" * 129,
)
PIECES = (
    *("a", "0", ":", "-", ".", "|", "^", "$", ",", "(", ")", "?", "*", "+", "{", "}", "[", "]", "\\", "d", "w"),
    *(r"\d", "[a-z]", "[^a-]", r"[\d-]", "(?:", "(?i)", "(?P<a>", "(?=", r"\Q", r"\z", "{2}", "{0,3}", "{1,}", "é"),
)


@pytest.fixture(scope="module")
def accept(terraform: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Accept:
    """The patterns of a list that the variable takes."""
    condition = re.search(
        r'condition\s+= (.*\bregexall\(.*)\n\s+error_message = "provisioning\.name_pattern', VARIABLES.read_text()
    )
    assert condition
    folder = tmp_path_factory.mktemp("name-pattern")
    (folder / "main.tf").write_text(
        'locals {\n  patterns = jsondecode(file("${path.module}/patterns.json"))\n'
        "  accepted = [for pattern in local.patterns : pattern if alltrue([for given in [{ name_pattern = pattern }] : "
        f"{condition[1].replace('var.provisioning', 'given')}])]\n}}\n\n"
        'output "accepted" {\n  value = jsonencode(local.accepted)\n}\n'
    )

    def accept(patterns: list[str]) -> list[str]:
        (folder / "patterns.json").write_text(json.dumps(patterns))
        terraform(folder, "apply", "-auto-approve", "-no-color")
        accepted: list[str] = json.loads(
            json.loads((folder / "terraform.tfstate").read_text())["outputs"]["accepted"]["value"]
        )
        return accepted

    return accept


def test_usual_patterns_are_accepted_and_others_refused(accept: Accept) -> None:
    assert accept([*USUAL, *REFUSED]) == list(USUAL)


def test_the_function_reads_every_pattern_that_is_accepted(accept: Accept) -> None:
    generated = random.Random(1)
    tried = ["".join(pieces) for length in (1, 2) for pieces in itertools.product(PIECES, repeat=length)]
    for _ in range(size(2_500, 200_000)):
        tried.append("".join(generated.choices(PIECES, k=generated.randint(3, 8))))
    accepted = accept(tried)
    assert len(accepted) > len(tried) / 100
    environment = {"STACK_NAME": "farm", "DEVICES": "{}", "THINGS_LOG_GROUP": "/farm", "ALLOWED_DEVICES_TABLE": "farm"}
    for pattern in accepted:
        ProvisionSettings.read({**environment, "NAME_PATTERN": pattern})
