"""CloudWatch Logs, read only: which log groups exist, and what a group holds. The log of things: `things_log`."""

from typing import Any

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors
from thingbridge.aws.things_log import read_entry


def function_log_group(function_name: str) -> str:
    """The log group to which Lambda writes a function's own log."""
    return f"/aws/lambda/{function_name}"


class Logs:
    """The log groups of the account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def groups(self, prefix: str) -> list[str]:
        """The names of the log groups that begin with `prefix`."""
        with translate_errors(f"list the log groups {prefix}"):
            pages = self._clients("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
            return [str(group["logGroupName"]) for page in pages for group in page["logGroups"]]

    def entries(self, group: str, since: float, word: str | None = None) -> list[dict[str, Any]]:
        """What all streams of a group logged since then (Unix seconds), as `things_log.read_entry` reads it.

        `word`: only entries with this word. Empty if there is no such group: Lambda creates a function's group with its
        first invocation.
        """
        with translate_errors(f"read the log group {group}"):
            pages = self._clients("logs").get_paginator("filter_log_events")
            try:
                pattern = {"filterPattern": f'"{word}"'} if word else {}
                return [
                    read_entry(event["message"])
                    for page in pages.paginate(logGroupName=group, startTime=int(since * 1000), **pattern)
                    for event in page["events"]
                ]
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return []

    def last_entry(self, group: str) -> float | None:
        """When a group was last written to (Unix seconds), as CloudWatch knows it after some minutes; None if never."""
        with translate_errors(f"read the log group {group}"):
            try:
                answer = self._clients("logs").describe_log_streams(
                    logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
                )
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                return None
        times = [each.get("lastEventTimestamp") for each in answer["logStreams"]]
        return times[0] / 1000 if times and times[0] else None
