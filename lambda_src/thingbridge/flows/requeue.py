"""Requeue: downlinks that The Things Stack returned are encrypted again and queued again.

Only under end-to-end encryption: The Things Stack can't renumber a queue then when a counter was used or the device
joined again. Events come from a queue, at least once. A downlink is identified by its session and counter, so that
none is queued twice: first it is pushed, then it is marked.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.things_log import ThingsLog
from thingbridge.encryption import downlinks as encryption
from thingbridge.encryption import messages, sessions
from thingbridge.errors import BadInput, Refused
from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.messaging import upstream
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.registry.attributes import DeviceReference

PATIENCE: Final = 3.0
"""Seconds to wait until a device that joined again sends; after that, the queue redelivers the event."""

LONGEST_PAUSE: Final = 180
"""Seconds between two deliveries of an event, at most: the device may send at any moment."""


@dataclass(frozen=True)
class Requeue:
    """The flow of a message with returned downlinks. `queue` waits for `PATIENCE`."""

    stack_name: str
    keys: SessionKeys
    queue: EncryptedDownlinkQueue
    directory: ThingDirectory
    log: ThingsLog

    def handle(self, body: str) -> None:
        """Handle a queue message, the output `{"topic", "payload"}` of a rule. Raises what is to be retried."""
        try:
            message = upstream.parse(json.loads(body), self.stack_name)
            self._queue_again(message)
        except (BadInput, ValueError) as error:
            self.log.record(None, "ERROR", "event_not_readable", reason=str(error))

    def _queue_again(self, message: UpstreamMessage) -> None:
        if seen := sessions.seen(message.body):
            # A join: the returned downlinks belong to its session, which `upstream` may not have kept yet.
            self.keys.remember(sessions.device_key(message.device), seen)
        returned = encryption.returned(message.body)
        by_session: dict[str, list[Mapping[str, Any]]] = {}
        for each in returned.downlinks:
            by_session.setdefault(str(each.get("session_key_id", "")), []).append(each)
        for session_key_id, downlinks in by_session.items():
            self._queue_session(message, session_key_id, downlinks, returned.last_f_cnt_down + 1)

    def _queue_session(
        self,
        message: UpstreamMessage,
        session_key_id: str,
        downlinks: Sequence[Mapping[str, Any]],
        next_f_cnt_down: int,
    ) -> None:
        """Queue the downlinks of one session, except those that were queued again before.

        `next_f_cnt_down`: the session's lowest free counter.
        """
        device = sessions.device_key(message.device)
        stored = self.keys.table.find(device, session_key_id) if session_key_id else None
        try:
            key = self.keys.of(stored.session) if stored else None
        except Refused as error:
            self._record_lost(message, downlinks, str(error))
            return
        if stored is None or key is None:
            self._record_lost(message, downlinks, f"the key of their session {session_key_id} is not known")
            return
        left = [each for each in downlinks if each.get("f_cnt", 0) not in stored.queued_again]
        if left:
            at_least = next_f_cnt_down if self.keys.table.latest(device) == session_key_id else 0
            plain = [(each.get("f_cnt", 0), messages.decrypted_downlink(each, lambda _: key)) for each in left]
            self._push_and_mark(message, session_key_id, plain, at_least)

    def _push_and_mark(
        self,
        message: UpstreamMessage,
        session_key_id: str,
        downlinks: Sequence[tuple[int, Mapping[str, Any]]],
        at_least: int,
    ) -> None:
        """Push downlinks (their old counter, the downlink) together; one by one when one of them is refused."""
        reference = DeviceReference(message.device.device_id, message.device.dev_eui, named=True)
        plain = [each for _, each in downlinks]
        try:
            self.queue.schedule(reference, plain, at_least=at_least)
        except Refused as error:
            if len(downlinks) > 1:
                for each in downlinks:
                    self._push_and_mark(message, session_key_id, [each], at_least)
                return
            self._record_lost(message, plain, str(error))
        device = sessions.device_key(message.device)
        self.keys.table.mark_queued_again(device, session_key_id, [f_cnt for f_cnt, _ in downlinks])

    def _record_lost(self, message: UpstreamMessage, downlinks: Sequence[Mapping[str, Any]], reason: str) -> None:
        thing_name = None
        with suppress(Refused):
            thing_name = self.directory.find(message.device)
        self.log.record(
            thing_name,
            "ERROR",
            "downlinks_not_queued_again",
            count=len(downlinks),
            correlation_ids=[mark for each in downlinks for mark in each.get("correlation_ids", ())],
            reason=reason,
        )
