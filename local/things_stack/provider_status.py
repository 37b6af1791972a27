"""How an integration fares, as the Console shows it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Status:
    """How an integration fares: `state` is connecting, connected, failed or stopped, `reason` says why it failed."""

    state: str = "connecting"
    reason: str = ""
    delivered: int = 0
    undelivered: int = 0
    refused_downlinks: list[str] = field(default_factory=list)
