"""The downlink queue of a device on the Application Server: push, replace, list."""

from __future__ import annotations

from local.things_stack.api.call import Call, Handler
from local.things_stack.description.proto3_json import Json


def push(call: Call) -> Json:
    call.headers |= call.cluster.downlink_limits.take(call.device)
    replace = call.operation.name == "AppAs_DownlinkQueueReplace"
    call.cluster.network.push(*call.device, call.body.get("downlinks", []), replace=replace)
    return {}


def list_queue(call: Call) -> Json:
    items = call.cluster.network.queue(*call.device)
    return {"downlinks": items} if items else {}


HANDLERS: dict[str, Handler] = {
    "AppAs_DownlinkQueuePush": push,
    "AppAs_DownlinkQueueReplace": push,
    "AppAs_DownlinkQueueList": list_queue,
}
