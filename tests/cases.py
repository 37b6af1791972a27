"""Cases from public reports, with the outcome that is right: JSON files in `tests/data/cases`, loaded here."""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "data" / "cases"


def load(name: str) -> Any:
    """A fresh copy of a case by its name."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
