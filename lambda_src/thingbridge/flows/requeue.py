"""Requeue: downlinks that The Things Stack returned are encrypted again and queued again.

Only under end-to-end encryption: The Things Stack can't renumber a queue then when a counter was used or the device
joined again. Events come from a queue, at least once. A downlink is identified by its session and counter, so that
none is queued twice: first it is pushed, then it is marked.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from thingbridge.aws.session_items import StoredSession
from thingbridge.aws.things_log import ThingsLog
from thingbridge.encryption import downlinks as encryption
from thingbridge.encryption import messages, sessions
from thingbridge.encryption.messages import SessionKey
from thingbridge.errors import BadInput, Refused
from thingbridge.flows.downlink import REJECTIONS, is_late
from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue, JoinLost
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.flows.thing_directory import ThingDirectory
from thingbridge.messaging import downlink as requests
from thingbridge.messaging import upstream
from thingbridge.messaging.upstream import UpstreamMessage
from thingbridge.registry.attributes import DeviceReference

PATIENCE: Final = 3.0
"""Seconds to wait until a device that joined again sends; after that, the queue redelivers the event."""

LONGEST_PAUSE: Final = 180
"""Seconds between two deliveries of an event, at most: the device may send at any moment."""

_QUEUED: Final = frozenset(
    {"f_port", "frm_payload", "confirmed", "confirmed_retry", "class_b_c", "priority", "correlation_ids"}
)
"""The fields of an `ApplicationDownlink` that are queued again (messages.proto). Deployments add others to what they
publish, such as `network_ids`; session and counter are new."""


@dataclass(frozen=True)
class Requeue:
    """The flow of a message with returned downlinks. `queue` waits for `PATIENCE`."""

    stack_name: str
    keys: SessionKeys
    queue: EncryptedDownlinkQueue
    directory: ThingDirectory
    log: ThingsLog
    now: Callable[[], float] = time.time

    def handle(self, body: str) -> None:
        """Handle a queue message, the output `{"topic", "payload"}` of a rule. Raises what is to be retried."""
        try:
            event = json.loads(body)
            if not isinstance(event, dict):
                raise BadInput("event", "must be the output of a rule")
            self._queue_again(upstream.parse(event, self.stack_name))
        except (BadInput, ValueError, RecursionError) as error:
            self.log.record(None, "ERROR", "event_not_readable", reason=str(error))

    def _queue_again(self, message: UpstreamMessage) -> None:
        with suppress(BadInput, Refused):  # `upstream` records a session that can't be kept
            if seen := sessions.seen(message.body):
                # A join: the returned downlinks belong to its session, which `upstream` may not have kept yet.
                self.keys.remember(sessions.device_key(message.device), seen)
        returned = encryption.returned(message.body)
        by_session: dict[str, list[Mapping[str, Any]]] = {}
        if unreadable := [each for each in returned.downlinks if not encryption.is_readable(each)]:
            self._record_lost(message, unreadable, "their payload or frame counter can't be read")
        for each in filter(encryption.is_readable, returned.downlinks):
            by_session.setdefault(str(each.get("session_key_id", "")), []).append(each)
        for session_key_id, downlinks in by_session.items():
            self._queue_session(message, session_key_id, downlinks, returned.last_f_cnt_down)

    def _queue_session(
        self,
        message: UpstreamMessage,
        session_key_id: str,
        downlinks: Sequence[Mapping[str, Any]],
        last_f_cnt_down: int,
    ) -> None:
        """Queue the downlinks of one session, except those that were queued again before.

        `last_f_cnt_down`: the session's highest used counter as the message says, 0 if it says nothing.
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
        unknown = [each for each in downlinks if not self._is_own(device, stored, each)]
        if unknown:
            self._record_lost(
                message, unknown, "this stack has not queued them: they were forged, or changed on the way"
            )
        own = [each for each in downlinks if each not in unknown]
        left = [each for each in own if each.get("f_cnt", 0) not in stored.queued_again]
        if left:
            if last_f_cnt_down:
                # Raised within bounds, as by `upstream`: a forged message must not use up the session.
                self.keys.table.raise_counter(device, session_key_id, last_f_cnt_down + 1)
            self._push_and_mark(message, session_key_id, [(each.get("f_cnt", 0), _again(each, key)) for each in left])

    def _is_own(self, device: str, stored: StoredSession, downlink: Mapping[str, Any]) -> bool:
        """Whether this stack has queued a returned downlink. Below a counter, it did so without a seal."""
        return downlink.get("f_cnt", 0) < stored.sealed_from or self.keys.is_sealed(device, downlink)

    def _push_and_mark(
        self,
        message: UpstreamMessage,
        session_key_id: str,
        downlinks: Sequence[tuple[int, Mapping[str, Any]]],
    ) -> None:
        """Push downlinks (their old counter, the downlink) together; one by one when one of them is refused."""
        reference = DeviceReference(message.device.device_id, message.device.dev_eui, named=True)
        plain = [each for _, each in downlinks]
        repeated = is_late(_received_at(message.body), self.now())
        try:
            self.queue.schedule(reference, plain, repeated=repeated)
        except JoinLost as error:
            # The Network Server still has them in the queue of the old session. The next join returns them again, so
            # they are not marked.
            self._record_lost(message, plain, f"they stay in the queue of their session: {error}")
            return
        except REJECTIONS as error:
            if len(downlinks) > 1:
                for each in downlinks:
                    self._push_and_mark(message, session_key_id, [each])
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
            correlation_ids=[mark for each in downlinks for mark in _list(each.get("correlation_ids"))],
            reason=reason,
        )


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _again(downlink: Mapping[str, Any], key: SessionKey) -> dict[str, Any]:
    """A returned downlink in plain text, with a mark of its own."""
    plain = messages.decrypted_downlink(downlink, lambda _: key)
    kept = {name: value for name, value in plain.items() if name in _QUEUED}
    return requests.marked(kept, requests.mark_of_returned(downlink))


def _received_at(body: Mapping[str, Any]) -> float | None:
    """When The Things Stack published a message, in seconds since 1970; None if it does not say so."""
    try:
        at = datetime.fromisoformat(str(body.get("received_at")))
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo else None
