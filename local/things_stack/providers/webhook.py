"""Webhook integrations: one HTTP POST per message, several at a time, so in any order, with a timeout of five seconds.
What fails is never posted again.

After ten failures in a row a webhook is not called any more, as its `health_status` says. A request that clears this
field ends that (`pkg/applicationserver/io/web`, `health.go`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from urllib.parse import quote

import requests

from local.things_stack.description.proto3_json import Json, rfc3339
from local.things_stack.network.application_up import Published
from local.things_stack.providers.aws_access import AwsAccess
from local.things_stack.providers.status import Status

TIMEOUT = 5.0
"""Seconds."""
AT_A_TIME = 4
"""Requests. The Stack posts 1,024 at a time; a local AWS starts a process for each message that it handles."""
MOST_FAILURES = 10
"""Failures in a row after which a webhook is not called."""
_VARIABLES = {
    "appID": "application_id", "applicationID": "application_id", "appEUI": "join_eui", "joinEUI": "join_eui",
    "devID": "device_id", "deviceID": "device_id", "devEUI": "dev_eui", "devAddr": "dev_addr",
}  # fmt: skip


def expand(template: str, ids: Json) -> str:
    """Replaces `{devEUI}`, `{/devID}` … in a webhook's URL with the ids of the device that a message is about."""
    values = {**ids, "application_id": ids["application_ids"]["application_id"]}

    def value(match: re.Match[str]) -> str:
        text = quote(str(values.get(_VARIABLES.get(match[2], ""), "")), safe="")
        return f"{match[1]}{text}" if text else ""

    return re.sub(r"\{(/?)(\w+)\}", value, template)


class WebhookProvider:
    """One webhook. `deliver` queues; threads post. A failed request is recorded in the status and not retried.

    `timeout`: seconds for which a request waits for its answer.
    """

    def __init__(
        self,
        record: Json,
        aws: AwsAccess | None,
        status: Status,
        changed: Callable[[], None],
        timeout: float = TIMEOUT,
    ) -> None:
        self.status, self._record, self._aws, self._changed, self._timeout = status, record, aws, changed, timeout
        self._queue: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
        self._recording = threading.Lock()
        self._threads = [
            threading.Thread(target=self._post_all, name=f"webhook-{number}", daemon=True)
            for number in range(AT_A_TIME)
        ]

    def start(self) -> None:
        self._report("connected", "")
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(self._timeout)
        self._report("stopped", "")

    def deliver(self, published: Published, /) -> bool:
        # Decided as the message is published: what came while the webhook was not called is not sent once it is.
        if published.kind not in self._record or self._record.get("paused") or self._failures() >= MOST_FAILURES:
            return False
        base, path = self._record["base_url"], self._record[published.kind].get("path", "")
        url = f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base
        self._queue.put((expand(url, published.message["end_device_ids"]), published.body))
        return True

    def _post_all(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (job := self._queue.get()) is not None:
                if self._failures() >= MOST_FAILURES:
                    continue
                url, body = job
                url, host = self._aws.reach(url) if self._aws else (url, {})
                try:
                    headers = {**self._headers(), **host}
                    session.post(url, data=body, headers=headers, timeout=self._timeout).raise_for_status()
                except requests.RequestException as error:
                    self._record_failure(error)
                else:
                    with self._recording:
                        self._record["health_status"] = {"healthy": {}}
                        self._report("connected", "")

    def _record_failure(self, error: requests.RequestException) -> None:
        with self._recording:
            self._record["health_status"] = {
                "unhealthy": {
                    "failed_attempts": str(self._failures() + 1),
                    "last_failed_attempt_at": rfc3339(time.time_ns()),
                }
            }
            self._report("failed", str(error))

    def _failures(self) -> int:
        return int(self._record.get("health_status", {}).get("unhealthy", {}).get("failed_attempts", 0))

    def _headers(self) -> dict[str, str]:
        """The headers of the webhook can't replace those that the Stack sets. The URLs for downlinks are sent only with
        a downlink API key."""
        key = self._record.get("downlink_api_key")
        ids = self._record["ids"]
        down = f"https://localhost/api/v3/as/applications/{ids['application_ids']['application_id']}"
        down = f"{down}/webhooks/{ids['webhook_id']}/devices/{{device_id}}/down"
        return {
            "User-Agent": "TheThingsStack/3 (simulation)", **self._record.get("headers", {}),
            **({"X-Downlink-Apikey": key, "X-Downlink-Push": f"{down}/push", "X-Downlink-Replace": f"{down}/replace"}
               if key else {}),
            "X-Tts-Domain": "localhost", "Content-Type": "application/json",
        }  # fmt: skip

    def _report(self, state: str, reason: str) -> None:
        self.status.state, self.status.reason = state, reason
        self._changed()
