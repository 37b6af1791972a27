"""Cases from public reports, with the right outcome: JSON files in `tests/data/cases`, loaded here.

Each has `about` (what happened to whom), `reported_in` (where), `input` and `expected`, which the tests of the room
that a case is about give to the code and compare.
"""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "data" / "cases"


def load(name: str) -> Any:
    """A fresh copy of a case by its name."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
