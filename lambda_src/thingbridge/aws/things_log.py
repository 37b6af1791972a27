"""The log of things: one stream per thing, the first place to look when a device does not work as expected.

One JSON object per event, `{"level", "event", …}`. No key, claim code or payload is ever written: callers give
names, sizes and reasons.
"""

import json
import time
from typing import Any, Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, failed, translate_errors
from thingbridge.diagnostics import emit

UNIDENTIFIED: Final = "unidentified"
"""The stream for events without a thing, such as a message without ids."""


def stream(thing_name: str) -> str:
    """Name of a thing's stream: CloudWatch Logs allows no colon, and thing names contain no slash."""
    return thing_name.replace(":", "/")


class ThingsLog:
    """The log group of one stack."""

    def __init__(self, clients: Clients, group: str) -> None:
        self._clients, self._group = clients, group

    def record(self, thing_name: str | None, level: str, event: str, **fields: object) -> None:
        """Write one event to the thing's stream, and to the function's own log.

        Never raises: a log that can't be written must not cause the message to be retried.
        """
        emit(level, event, thing=thing_name, **fields)
        entry: dict[str, object] = {
            "logGroupName": self._group,
            "logStreamName": stream(thing_name) if thing_name else UNIDENTIFIED,
            "logEvents": [
                {
                    "timestamp": int(time.time() * 1000),
                    "message": json.dumps({"level": level, "event": event, **fields}, default=str),
                }
            ],
        }
        try:
            self._put(entry)
        except failed() as error:
            emit("ERROR", "things_log_failed", thing=thing_name, reason=str(error))

    def entries(self, thing_name: str | None, limit: int = 10_000) -> list[dict[str, Any]]:
        """The last entries of a stream (None: UNIDENTIFIED), oldest first: `{"at": milliseconds, "level", "event", …}`.

        Raises Busy, Misconfigured or Refused.
        """
        if limit == 0:
            return []
        name = stream(thing_name) if thing_name else UNIDENTIFIED
        with translate_errors(f"read the log stream {name}"):
            try:
                answer = self._clients("logs").get_log_events(
                    logGroupName=self._group, logStreamName=name, limit=limit, startFromHead=False
                )
            except answered() as error:
                if code(error) == "ResourceNotFoundException":
                    return []
                raise
        return [{**read_entry(event["message"]), "at": event["timestamp"]} for event in answer["events"]]

    def _put(self, entry: dict[str, object]) -> None:
        logs = self._clients("logs")
        try:
            logs.put_log_events(**entry)
        except answered() as error:
            if code(error) != "ResourceNotFoundException":
                raise
            try:
                logs.create_log_stream(logGroupName=entry["logGroupName"], logStreamName=entry["logStreamName"])
            except answered() as created:
                if code(created) != "ResourceAlreadyExistsException":
                    raise
            logs.put_log_events(**entry)


def read_entry(message: str) -> dict[str, Any]:
    """A log message as its JSON object; `{"event": message}` for one that is plain text."""
    try:
        value = json.loads(message)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"event": message}
