"""Function `requeue`: downlinks that The Things Stack gave back are encrypted anew and queued again.

Only under end-to-end encryption: The Things Stack then can't renumber a queue when a counter was used up or the
device joined again. Events come from a queue, at least once. A downlink is known by its session and its counter, so
one that was queued again is not queued twice: first it is pushed, then it is marked.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final

from handlers import encrypted_downlinks
from handlers.session_keys import session_keys
from handlers.things_stack_session import LambdaContext, open_session
from thingbridge.aws_iot import things_log
from thingbridge.aws_iot.things import ThingDirectory
from thingbridge.diagnostics import emit
from thingbridge.errors import BadInput, Refused, ThingbridgeError
from thingbridge.messaging import encryption, sessions, upstream
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.registry.attributes import DeviceReference
from thingbridge.settings import RequeueSettings
from thingbridge.things_stack.client import ThingsStack

PATIENCE: Final = 3.0
"""Seconds to wait for a device that joined again to send: the queue brings the event back after them."""


@cache
def _settings() -> RequeueSettings:
    return RequeueSettings.read(os.environ)


@cache
def _directory() -> ThingDirectory:
    settings = _settings()
    return ThingDirectory(
        stack_name=settings.stack_name,
        thing_type_name=settings.thing_type_name,
        scheme=settings.thing_name_scheme,
    )


def handler(batch: dict[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Take a batch of SQS records, each the output `{"topic", "payload"}` of a rule.

    Returns the ids of those that must come again.
    """
    settings = _settings()
    things_stack = open_session(settings, context)
    failures = []
    for record in batch["Records"]:
        try:
            message = upstream.parse(json.loads(record["body"]), settings.stack_name)
            _queue_again(message, settings, things_stack)
        except (BadInput, ValueError) as error:
            things_log.record(settings.things_log_group, None, "ERROR", "event_not_readable", reason=str(error))
        except ThingbridgeError as error:
            emit("WARN", "event_comes_again", message_id=record["messageId"], reason=str(error))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def _queue_again(message: UpstreamMessage, settings: RequeueSettings, things_stack: ThingsStack) -> None:
    work = _Work(message, settings, things_stack)
    if seen := sessions.seen(message.body):
        # A join: what it gave back belongs into its session, which the function `upstream` may not have kept yet.
        work.keys.remember(work.device, seen)
    given_back = encryption.given_back(message.body)
    by_session: dict[str, list[Mapping[str, Any]]] = {}
    for each in given_back.downlinks:
        by_session.setdefault(str(each.get("session_key_id", "")), []).append(each)
    for session_key_id, downlinks in by_session.items():
        work.queue_again(session_key_id, downlinks, given_back.last_f_cnt_down + 1)


class _Work:
    """One event: whose it is, and what carries it out."""

    def __init__(self, message: UpstreamMessage, settings: RequeueSettings, things_stack: ThingsStack) -> None:
        self.keys = session_keys(settings.end_to_end_encryption)
        self.device = sessions.device_key(message.device)
        self._message, self._settings, self._things_stack = message, settings, things_stack

    def queue_again(self, session_key_id: str, downlinks: Sequence[Mapping[str, Any]], next_f_cnt_down: int) -> None:
        """Queue downlinks of one session again, except those that were. `next_f_cnt_down`: its lowest free counter."""
        stored = self.keys.table.find(self.device, session_key_id) if session_key_id else None
        try:
            key = self.keys.of(stored.session) if stored else None
        except Refused as error:
            self._record_lost(downlinks, str(error))
            return
        if stored is None or key is None:
            self._record_lost(downlinks, f"the key of their session {session_key_id} is not known")
            return
        left = [each for each in downlinks if each.get("f_cnt", 0) not in stored.queued_again]
        if left:
            at_least = next_f_cnt_down if self.keys.table.latest(self.device) == session_key_id else 0
            clear = [(each.get("f_cnt", 0), encryption.downlink_in_clear(each, lambda _: key)) for each in left]
            self._push_and_mark(session_key_id, clear, at_least)

    def _push_and_mark(
        self, session_key_id: str, downlinks: Sequence[tuple[int, Mapping[str, Any]]], at_least: int
    ) -> None:
        """Push downlinks (their old counter, they themselves) together; one by one when one of them is refused."""
        reference = DeviceReference(self._message.device.device_id, self._message.device.dev_eui, named=True)
        clear = [each for _, each in downlinks]
        try:
            encrypted_downlinks.schedule(
                self.keys, self._things_stack, reference, clear, at_least=at_least, patience=PATIENCE
            )
        except Refused as error:
            if len(downlinks) > 1:
                for each in downlinks:
                    self._push_and_mark(session_key_id, [each], at_least)
                return
            self._record_lost(clear, str(error))
        self.keys.table.mark_queued_again(self.device, session_key_id, [f_cnt for f_cnt, _ in downlinks])

    def _record_lost(self, downlinks: Sequence[Mapping[str, Any]], reason: str) -> None:
        thing_name = None
        with suppress(Refused):
            thing_name = _directory().find(self._message.device)
        things_log.record(
            self._settings.things_log_group,
            thing_name,
            "ERROR",
            "downlinks_not_queued_again",
            count=len(downlinks),
            correlation_ids=[mark for each in downlinks for mark in each.get("correlation_ids", ())],
            reason=reason,
        )
