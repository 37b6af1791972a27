"""The status of an integration, as the Console shows it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Status:
    """`state` is connecting, connected, failed or stopped; `reason` says why it failed. `delivered` and `undelivered`
    count messages; `refused_downlinks` holds the reason for each rejected downlink."""

    state: str = "connecting"
    reason: str = ""
    delivered: int = 0
    undelivered: int = 0
    refused_downlinks: list[str] = field(default_factory=list)
