"""Downlinks under end-to-end encryption: encrypted for the device's latest session, numbered, and queued.

Two requests at once may be numbered in one order and arrive in the other. The Things Stack then refuses the lower
number, and that request takes a higher one.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.encryption import downlinks as encryption
from thingbridge.encryption import sessions
from thingbridge.encryption.downlinks import Retry
from thingbridge.encryption.sessions import Session, SessionSeen
from thingbridge.errors import Busy, Refused
from thingbridge.flows import end_devices
from thingbridge.flows.downlink import schedule
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ThingsStackRefused
from thingbridge.things_stack.transport import MARGIN

PATIENCE: Final = 20.0
"""Seconds for which a request is tried again, within the time that is left."""

LONGEST_PAUSE: Final = 2.0
FIRST_PAUSE: Final = 0.02
"""Seconds between attempts; each pause is twice as long as the one before, and shortened at random."""


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
        at_least: int = 0,
    ) -> None:
        """Queue `ApplicationDownlink` objects in plain text, encrypted for the device's latest session.

        `at_least`: the lowest counter that The Things Stack accepts, if known. Raises Busy when the device has to send
        first, or when others were faster every time; Refused when it never joined, or when The Things Stack refuses for
        good.
        """
        encryption.check_encryptable(downlinks)
        if not downlinks:
            schedule(self.things_stack, device, (), replace=replace)
            return
        until = self.now() + min(self.patience, self.things_stack.remaining_seconds() - MARGIN)
        pause, retry = FIRST_PAUSE, Retry(at_least)
        first, session = 0, None
        while True:
            if session is None or not retry.wait:
                first, session = self._numbered(device, len(downlinks), retry)
            try:
                self._push(device, downlinks, session, first, replace=replace)
            except ThingsStackRefused as error:
                answer = error.answer
                next_attempt = encryption.after_refusal(answer.name, answer.diagnostics, session.session_key_id, first)
                if next_attempt is None:
                    raise
                wait = pause * random.uniform(0.5, 1.0)
                if self.now() + wait >= until:
                    reason = "the device joined again and has to send first" if next_attempt.wait else str(error)
                    raise Busy(f"push downlinks of {device.device_id}: {reason}") from error
                retry = next_attempt
                self.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return

    def _numbered(self, device: DeviceReference, count: int, retry: Retry) -> tuple[int, Session]:
        """The first of `count` counters reserved for this request, and the session they belong to."""
        table, key = self.keys.table, device.dev_eui or device.device_id
        session_key_id = None if retry.look_up else table.latest(key)
        taken = table.take_counters(key, session_key_id, count, retry.at_least) if session_key_id else None
        if taken is None:
            seen = self._look_up(device)
            if not seen.session.session_key_id:
                # A session that no join began (activation by personalization) has no id: TTS numbers and encrypts.
                return 0, seen.session
            table.write(key, seen)
            taken = table.take_counters(key, seen.session.session_key_id, count)
        if taken is None:
            raise Busy(f"the session of {device.device_id} was removed while it was written")
        return taken

    def _look_up(self, device: DeviceReference) -> SessionSeen:
        """Ask the Application Server which session the device is in. Raises Refused when it is in none."""
        registry, paths = self.things_stack.end_devices, ("session", "pending_session")
        found = registry.get(Server.APPLICATION, device.device_id, paths)
        if found is None and (known := end_devices.resolve(self.things_stack, device)):
            found = registry.get(Server.APPLICATION, known.device_id, paths)
        seen = sessions.of_device(found or {})
        if seen is None:
            raise Refused(f"{device.device_id} has no session: it has to join first (no_device_session)")
        return seen

    def _push(
        self,
        device: DeviceReference,
        downlinks: Sequence[Mapping[str, Any]],
        session: Session,
        first: int,
        *,
        replace: bool,
    ) -> None:
        key = self.keys.of(session)
        if key is None:
            # The Things Stack encrypts in this session. It is named so that the payload can't be sent in plain text in
            # another session, in which The Things Stack does not encrypt.
            named = {"session_key_id": session.session_key_id} if session.session_key_id else {}
            prepared: Sequence[Mapping[str, Any]] = [{**each, **named} for each in downlinks]
        else:
            prepared = encryption.encrypted(downlinks, key, first)
        schedule(self.things_stack, device, prepared, replace=replace)
