"""Downlinks under end-to-end encryption: encrypted for the device's latest session, numbered, and queued.

Two requests at once may be numbered in one order and arrive in the other; The Things Stack refuses the lower number
then, and that request takes a higher one.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from handlers.session_keys import SessionKeys
from thingbridge.errors import Busy, Refused
from thingbridge.messaging import encryption, sessions
from thingbridge.messaging.encryption import Retry
from thingbridge.messaging.sessions import Session, SessionSeen
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack import downlink_queue
from thingbridge.things_stack.client import MARGIN, ThingsStack
from thingbridge.things_stack.end_devices import resolve
from thingbridge.things_stack.errors import ThingsStackRefused

LONGEST_PAUSE: Final = 2.0
FIRST_PAUSE: Final = 0.02
"""Seconds between tries; each is twice as long as the one before, and shortened at random."""


def schedule(
    keys: SessionKeys,
    things_stack: ThingsStack,
    device: DeviceReference,
    downlinks: Sequence[Mapping[str, Any]],
    *,
    replace_queue: bool = False,
    at_least: int = 0,
    patience: float = 20.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Queue `ApplicationDownlink` objects that are in the clear, encrypted for the device's latest session.

    `at_least`: the lowest counter that The Things Stack will take, when that is known. Tries for `patience` seconds
    at most, within the time that is left. Raises Busy when the device has to send first, or when others were faster
    all the time; Refused when it never joined, or for what The Things Stack refuses for good.
    """
    encryption.check_encryptable(downlinks)
    if not downlinks:
        downlink_queue.schedule(things_stack, device, (), replace=replace_queue)
        return
    until = time.monotonic() + min(patience, things_stack.remaining_seconds() - MARGIN)
    pause, retry = FIRST_PAUSE, Retry(at_least)
    first, session = 0, None
    while True:
        if session is None or not retry.wait:
            first, session = _numbered(keys, things_stack, device, len(downlinks), retry)
        try:
            _push(keys, things_stack, device, downlinks, session, first, replace_queue=replace_queue)
        except ThingsStackRefused as error:
            answer = error.answer
            next_try = encryption.after_refusal(answer.name, answer.diagnostics, session.session_key_id, first)
            if next_try is None:
                raise
            wait = pause * random.uniform(0.5, 1.0)
            if time.monotonic() + wait >= until:
                reason = "the device joined again and has to send first" if next_try.wait else str(error)
                raise Busy(f"push downlinks of {device.device_id}: {reason}") from error
            retry = next_try
            sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return


def _numbered(
    keys: SessionKeys, things_stack: ThingsStack, device: DeviceReference, count: int, retry: Retry
) -> tuple[int, Session]:
    """The first of `count` counters that are nobody else's, and the session they belong to."""
    at = device.dev_eui or device.device_id
    session_key_id = None if retry.look_up else keys.table.latest(at)
    taken = keys.table.take_counters(at, session_key_id, count, retry.at_least) if session_key_id else None
    if taken is None:
        seen = _look_up(things_stack, device)
        if not seen.session.session_key_id:
            # Nothing names a session that no join began (activation by personalisation): TTS numbers and encrypts.
            return 0, seen.session
        keys.table.write(at, seen)
        taken = keys.table.take_counters(at, seen.session.session_key_id, count)
    if taken is None:
        raise Busy(f"the session of {device.device_id} went away while it was written")
    return taken


def _look_up(things_stack: ThingsStack, device: DeviceReference) -> SessionSeen:
    """Ask the Application Server which session the device is in. Raises Refused when it is in none."""
    paths = ("session", "pending_session")
    found = things_stack.end_device(Server.APPLICATION, device.device_id, paths)
    if found is None and (known := resolve(things_stack, device)):
        found = things_stack.end_device(Server.APPLICATION, known.device_id, paths)
    seen = sessions.of_device(found or {})
    if seen is None:
        raise Refused(f"{device.device_id} has no session: it has to join first (no_device_session)")
    return seen


def _push(
    keys: SessionKeys,
    things_stack: ThingsStack,
    device: DeviceReference,
    downlinks: Sequence[Mapping[str, Any]],
    session: Session,
    first: int,
    *,
    replace_queue: bool,
) -> None:
    key = keys.of(session)
    if key is None:
        # The Things Stack encrypts in this session. Naming it makes sure that another one, in which it does not, gets
        # nothing in the clear.
        named = {"session_key_id": session.session_key_id} if session.session_key_id else {}
        prepared: Sequence[Mapping[str, Any]] = [{**each, **named} for each in downlinks]
    else:
        prepared = encryption.encrypted(downlinks, key, first)
    downlink_queue.schedule(things_stack, device, prepared, replace=replace_queue)
