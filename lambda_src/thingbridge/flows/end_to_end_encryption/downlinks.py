"""Downlinks under end-to-end encryption: encrypted for the session that the device is in, numbered, and queued.

Two requests at once may be numbered in one order and arrive in the other. The Things Stack then refuses the lower
number, and that request takes a higher one. It publishes each refused push as failed, so nothing is pushed that it
can't accept: a device that joined again and has not sent yet is waited for.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.session_items import Latest
from thingbridge.aws.sessions import NotCounted
from thingbridge.encryption import downlinks as encryption
from thingbridge.encryption import sessions
from thingbridge.encryption.downlinks import Retry
from thingbridge.encryption.sessions import DeviceSessions, Session, SessionSeen
from thingbridge.errors import Busy
from thingbridge.flows import end_devices
from thingbridge.flows.downlink import not_queued, schedule
from thingbridge.flows.end_to_end_encryption import counting
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.lorawan.key_envelope import KeyNotReadable
from thingbridge.messaging import downlink as requests
from thingbridge.messaging.downlink import NotSendable
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ThingsStackBusy, ThingsStackRefused
from thingbridge.things_stack.transport import MARGIN

PATIENCE: Final = 20.0
"""Seconds for which a request is tried again, within the time that is left."""

LONGEST_PAUSE: Final = 2.0
FIRST_PAUSE: Final = 0.02
"""Seconds between attempts; each pause is twice as long as the one before, and shortened at random."""

RECORDED_WITHIN: Final = 1.0
"""Seconds in which the message of a join is recorded as a whole: its session first, then that it is the latest."""

_SESSIONS: Final = ("session", "pending_session")


class JoinLost(NotSendable):
    """The device did not receive the join-accept of its last join, and uses the session before it."""


class _Again(Exception):
    """Another attempt may succeed after a pause. `refused`: The Things Stack has published the push as failed."""

    def __init__(self, reason: str, retry: Retry | None = None, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.retry, self.refused = retry, refused


@dataclass
class _Push:
    """A request on its way. `session` and `first`: what it is encrypted and numbered with; None: to be determined.

    `look`: its downlinks may be in the queue already. `refused`: it was published as failed at least once.
    `lost_since`: since when it has looked as if the device had not received its last join-accept.
    """

    device: DeviceReference
    downlinks: Sequence[Mapping[str, Any]]
    replace: bool
    retry: Retry
    look: bool
    refused: bool
    session: Session | None = None
    first: int = 0
    lost_since: float | None = None

    @property
    def key(self) -> str:
        """The key of the device's sessions."""
        return self.device.dev_eui or self.device.device_id


@dataclass(frozen=True)
class EncryptedDownlinkQueue:
    """The downlink queues of an application whose payloads this stack encrypts."""

    things_stack: ThingsStack
    keys: SessionKeys
    patience: float = PATIENCE
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def schedule(
        self,
        device: DeviceReference,
        downlinks: Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
        repeated: bool = False,
    ) -> None:
        """Queue `ApplicationDownlink` objects in plain text, encrypted for the session that the device is in.

        `repeated`: they may have been queued before. Raises Busy when the device has to send first, or when others were
        faster every time; NotSendable when it is in no session that takes them; ThingsStackRefused when The Things
        Stack refuses for good.
        """
        encryption.check_encryptable(downlinks)
        if not downlinks:
            schedule(self.things_stack, device, (), replace=replace)
            return
        push = _Push(device, downlinks, replace, Retry(), look=repeated, refused=repeated)
        until = self.now() + min(self.patience, self.things_stack.remaining_seconds() - MARGIN)
        pause = FIRST_PAUSE
        while True:
            try:
                self._attempt(push)
            except _Again as again:
                wait = pause * random.uniform(0.5, 1.0)
                if self.now() + wait >= until:
                    raise Busy(f"push downlinks of {device.device_id}: {again}") from again
                push.refused |= again.refused
                if again.retry:
                    push.retry, push.session = again.retry, None
                self.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                break
        if push.refused:
            for mark in requests.marks(downlinks):
                self.keys.table.note_queued(push.key, mark)

    def _attempt(self, push: _Push) -> None:
        """Push once, unless all downlinks are in the queue. Raises _Again when another attempt may succeed."""
        if push.look:
            left = not_queued(self.things_stack, push.device, push.downlinks)
            if len(left) < len(push.downlinks):
                push.downlinks, push.session = left, None
            if not left:
                return
        if push.session is None:
            push.first, push.session = self._numbered(push)
        try:
            self._send(push, push.session)
        except ThingsStackRefused as error:
            retry = encryption.after_refusal(
                error.answer.name, error.answer.diagnostics, push.session.session_key_id, push.first
            )
            if retry is None:
                raise
            raise _Again(str(error), retry, refused=True) from error
        except ThingsStackBusy as error:
            if not error.uncertain:
                raise
            # The same counters again: if they were accepted, The Things Stack does not accept them twice.
            push.look = True
            raise _Again(str(error)) from error

    def _numbered(self, push: _Push) -> tuple[int, Session]:
        """The first of the counters that are reserved for a push, and the session they belong to."""
        table, count = self.keys.table, len(push.downlinks)
        latest = None if push.retry.look_up else table.latest(push.key)
        if latest and not latest.joining:
            try:
                taken = table.take_counters(push.key, latest.session_key_id, count, push.retry.at_least)
            except NotCounted:
                taken = None
            # Only the Application Server may say that payloads are sent in plain text, never a message.
            if taken and (taken[1].app_s_key is not None or taken[1].confirmed):
                return taken
        seen = self._session_in_use(push)
        session_key_id = seen.session.session_key_id
        if not session_key_id:
            # A session that no join began (activation by personalization) has no id: TTS numbers and encrypts.
            return 0, seen.session
        self.keys.confirm(push.key, seen)
        try:
            taken = table.take_counters(push.key, session_key_id, count, push.retry.at_least)
        except NotCounted:
            first = counting.first_counter(self.things_stack, push.device, seen, table.created_at())
            table.begin_counting(push.key, session_key_id, first)
            taken = table.take_counters(push.key, session_key_id, count, push.retry.at_least)
        if taken is None:
            raise Busy(f"the session of {push.device.device_id} was removed while it was written")
        return taken

    def _session_in_use(self, push: _Push) -> SessionSeen:
        """Ask the Application Server which session the device is in.

        Raises NotSendable when it is in none or did not receive its last join-accept, _Again while it has not sent
        since its last join. The Application Server (3.32) then forwards each downlink for both sessions, and the
        Network Server refuses it.
        """
        found = self._on_application_server(push.device)
        newest = found.newest
        if newest is None:
            raise NotSendable(f"{push.device.device_id} has no session: it has to join first (no_device_session)")
        if found.current and found.pending:
            latest = self.keys.table.latest(push.key)
            current = Latest(found.current.session.session_key_id, joining=False, by_uplink=True)
            lost = latest == current and self.keys.table.find(push.key, found.pending.session.session_key_id)
            push.lost_since = (push.lost_since or self.now()) if lost else None
            if push.lost_since is not None and self.now() - push.lost_since >= RECORDED_WITHIN:
                raise JoinLost(
                    f"{push.device.device_id} joined again but sent in its old session: it did not receive the "
                    f"join-accept, and The Things Stack accepts no downlink for it before its next join"
                )
            raise _Again("the device joined again and has to send first", Retry(push.retry.at_least, look_up=True))
        return newest

    def _on_application_server(self, device: DeviceReference) -> DeviceSessions:
        registry = self.things_stack.end_devices
        found = registry.get(Server.APPLICATION, device.device_id, _SESSIONS)
        if found is None and not device.named and (known := end_devices.resolve(self.things_stack, device)):
            found = registry.get(Server.APPLICATION, known.device_id, _SESSIONS)
        return sessions.of_device(found or {})

    def _send(self, push: _Push, session: Session) -> None:
        try:
            key = self.keys.of(session)
        except KeyNotReadable as error:
            raise NotSendable(f"the device has to join again before it can be sent anything: {error}") from error
        if key is None:
            # The Things Stack encrypts in this session. It is named so that the payload can't be sent in plain text in
            # another session, in which The Things Stack does not encrypt.
            named = {"session_key_id": session.session_key_id} if session.session_key_id else {}
            prepared: Sequence[Mapping[str, Any]] = [{**each, **named} for each in push.downlinks]
        else:
            prepared = self.keys.sealed(push.key, encryption.encrypted(push.downlinks, key, push.first))
        schedule(self.things_stack, push.device, prepared, replace=push.replace)
