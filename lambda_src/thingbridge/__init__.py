"""Thingbridge: joins The Things Stack and AWS IoT Core.

Arrows point one way: `flows` (what happens, step by step) use `aws` and `things_stack` (the two wires), and all of them
the pure rooms `messaging`, `shadow`, `registry` and `encryption`, which stand on `lorawan`.
"""

from typing import Final

VERSION: Final = "0.1.0"
"""The version of this checkout, as in pyproject.toml."""
