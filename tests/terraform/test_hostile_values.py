"""Hostile texts as values of the root module's variables: none gets into a name, a topic, a policy or a rule's SQL.

The conditions of each variable that is a text are evaluated for all texts by one `terraform apply`, without a provider.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests import hostile

# Before the plans, which take longer; with them, as one worker has them.
pytestmark = pytest.mark.xdist_group("plans")

VARIABLES: Final = Path(__file__).resolve().parents[2] / "variables.tf"
_VARIABLE: Final = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_CONDITION: Final = re.compile(r"^    condition     = (.*)$", re.MULTILINE)

NOT_IN_A_NAME: Final = frozenset("\"'`\\${}*#%<>|;&()[]? ~^!")
OF_ONE_OF_A_FEW: Final = frozenset({"on_thing_deleted", "thing_name_scheme", "uplink_mode"})


def conditions() -> dict[str, list[str]]:
    """The conditions of each variable that is a text, as far as they are about that variable alone."""
    found = {}
    for name, body in _VARIABLE.findall(VARIABLES.read_text(encoding="utf-8")):
        if re.search(r"^  type +=(?: string| optional\(string\))$", body, re.MULTILINE):
            own = [
                each
                for each in _CONDITION.findall(body)
                if set(re.findall(r"\b(?:var|local|module)\.\w+", each)) == {f"var.{name}"}
            ]
            found[name] = [re.sub(rf"\bvar\.{name}\b", "given", each) for each in own]
    return found


def is_more(value: str) -> bool:
    """Whether a value could be read as more than a name."""
    return not value.isascii() or not value.isprintable() or bool(NOT_IN_A_NAME & set(value))


def test_no_variable_takes_what_would_be_read_as_more_than_a_name(
    terraform: Callable[..., object], tmp_path: Path
) -> None:
    variables = conditions()
    # The key may have any printable character: it is only ever a value in Secrets Manager and a header.
    del variables["application_api_key"], variables["cluster_ca_certificate"]
    assert [name for name, own in variables.items() if not own] == []
    texts = [each for each in hostile.TEXTS if not re.search("[\ud800-\udfff]", each)]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    accepted = "\n".join(
        f"    {name} = [for given in local.texts : given if alltrue([{', '.join(own)}])]"
        for name, own in variables.items()
    )
    (tmp_path / "main.tf").write_text(
        'locals {\n  texts = jsondecode(file("${path.module}/texts.json"))\n}\n\n'
        f'output "accepted" {{\n  value = jsonencode({{\n{accepted}\n  }})\n}}\n'
    )
    terraform(tmp_path, "apply", "-auto-approve", "-no-color")
    outputs = json.loads((tmp_path / "terraform.tfstate").read_text())["outputs"]
    accepted_by = json.loads(outputs["accepted"]["value"])
    wrong = {name: [ascii(each)[:80] for each in values if is_more(each)] for name, values in accepted_by.items()}
    assert {name: values for name, values in wrong.items() if values} == {}
    assert [name for name in OF_ONE_OF_A_FEW if accepted_by[name]] == []
    # AWS's grammar of external IDs, which are compared and no part of anything, has dots and slashes.
    paths = {name for name, values in accepted_by.items() if any(".." in each for each in values)}
    assert paths <= {"external_id"}
    assert {"stack_name", "application_id", "thing_type_name", "external_id", "cluster_address"} <= variables.keys()
