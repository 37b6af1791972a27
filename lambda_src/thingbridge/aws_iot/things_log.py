"""The log of things: one stream per thing, the first place to look when a device does not do what it should.

One JSON object per event, `{"level", "event", …}`. No key, claim code or payload is ever written: callers give
names, sizes and reasons.
"""

import json
import time
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from thingbridge.aws_iot.clients import client
from thingbridge.aws_iot.errors import code
from thingbridge.diagnostics import emit

UNIDENTIFIED: Final = "unidentified"
"""Stream of what can't be told apart by thing, such as a message without ids."""


def stream(thing_name: str) -> str:
    """Name of a thing's stream: CloudWatch Logs allows no colon, thing names hold no slash."""
    return thing_name.replace(":", "/")


def record(log_group: str, thing_name: str | None, level: str, event: str, **fields: object) -> None:
    """Write one event to the thing's stream, and to the function's own log.

    Never raises: a log that can't be written must not make the message come again.
    """
    emit(level, event, thing=thing_name, **fields)
    entry: dict[str, object] = {
        "logGroupName": log_group,
        "logStreamName": stream(thing_name) if thing_name else UNIDENTIFIED,
        "logEvents": [
            {
                "timestamp": int(time.time() * 1000),
                "message": json.dumps({"level": level, "event": event, **fields}, default=str),
            }
        ],
    }
    try:
        _put(entry)
    except (ClientError, BotoCoreError) as error:
        emit("ERROR", "things_log_failed", thing=thing_name, reason=str(error))


def _put(entry: dict[str, object]) -> None:
    logs = client("logs")
    try:
        logs.put_log_events(**entry)
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":
            raise
        try:
            logs.create_log_stream(logGroupName=entry["logGroupName"], logStreamName=entry["logStreamName"])
        except ClientError as created:
            if code(created) != "ResourceAlreadyExistsException":
                raise
        logs.put_log_events(**entry)
