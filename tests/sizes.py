"""How large the tests are: `make test` runs representatives, `make soak` (SOAK=1) every combination at its full size.

A test that exists only at full size is marked `soak`; one that has both sizes chooses with `size`.
"""

import os
from typing import TypeVar

SOAK = os.environ.get("SOAK", "") not in ("", "0")

Size = TypeVar("Size")


def size(representative: Size, full: Size) -> Size:
    """The full size under `make soak`, the representative one otherwise."""
    return full if SOAK else representative
