"""The Application Server's downlink operations over HTTP: push, replace, list."""

from __future__ import annotations

from typing import Any

from local.things_stack.calls import Call, Handler


def push(call: Call) -> dict[str, Any]:
    replace = call.operation.name == "AppAs_DownlinkQueueReplace"
    call.simulation.network.push(*call.device, call.body.get("downlinks", []), replace=replace)
    return {}


def queue(call: Call) -> dict[str, Any]:
    items = call.simulation.network.queue(*call.device)
    return {"downlinks": items} if items else {}


HANDLERS: dict[str, Handler] = {
    "AppAs_DownlinkQueuePush": push,
    "AppAs_DownlinkQueueReplace": push,
    "AppAs_DownlinkQueueList": queue,
}
