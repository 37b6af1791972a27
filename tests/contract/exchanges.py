"""The recorded requests to The Things Stack with what is fact in their answers, and how an answer is compared.

`tests/data/tts/answers.json` holds one exchange a line, in the order in which they depend on each other. Of an answer
it has the status, the errors (namespace, name, names of the attributes, the field) from the outermost to the innermost
cause, and the shape: the names of the fields. Texts of messages are not part of the contract. The answers are those of
the open source, v3.32.1, in one process.

- `key`: the API key of the request, if not one with all rights: of another application (`other`), none at all
  (`empty`), one that does not exist (`unknown`), or one `without` rights
- `given`: what an operator or a device did before
- `exception`: why the simulation answers otherwise
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

Exchange = Mapping[str, Any]
DATA = Path(__file__).parents[1] / "data" / "tts" / "answers.json"

_AT_PATH = re.compile('unmarshal error at path "([^"]+)"')


def recorded() -> list[Exchange]:
    exchanges: list[Exchange] = json.loads(DATA.read_text())
    return exchanges


def expected_of(exchange: Exchange) -> dict[str, Any]:
    """What is compared of the recorded answer."""
    return {name: exchange[name] for name in ("status", "errors", "unmarshal", "gateway", "shape", "total")
            if name in exchange}  # fmt: skip


def facts_of(answer: requests.Response) -> dict[str, Any]:
    """The same of an answer as it was received."""
    body = answer.json()
    facts: dict[str, Any] = {"status": answer.status_code}
    if answer.status_code < 400:
        facts["shape"] = _shape(body)
    elif "details" in body:
        facts["errors"] = _errors(body["details"][0])
    elif at := _AT_PATH.match(body["message"]):
        facts["unmarshal"] = at[1]
    else:
        facts["gateway"] = True
    if "X-Total-Count" in answer.headers:
        facts["total"] = int(answer.headers["X-Total-Count"])
    return facts


def _errors(error: Any) -> list[dict[str, Any]]:
    found = []
    while error:
        attributes = error.get("attributes") or {}
        found.append({"error": f"{error['namespace']}:{error['name']}"}
                     | ({"attributes": sorted(attributes)} if attributes else {})
                     | ({"field": attributes["field"]} if "field" in attributes else {}))  # fmt: skip
        error = error.get("cause")
    return found


def _shape(value: Any) -> Any:
    """The names of the fields, of the items of a list together; None for a value without fields."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    if isinstance(value, list):
        together: dict[str, Any] = {}
        for each in value:
            together = _merged(together, _shape(each) or {})
        return [together] if together else []
    return None


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {name: _merged(one[name], other[name]) for name in one.keys() & other.keys() if one[name] and other[name]}
    return one | other | both
