"""Decoders of the stack's user for devices without a formatter in The Things Stack: imported and run, safely.

A codec is a Python module below `device_codecs/` in the functions' zip. It names its devices (`DEVICES`) and has a
function `decode_uplink(payload, f_port, version_ids)`; docs/codecs.md describes both. Whatever a codec does, the
message is delivered: everything that it raises, and running out of time, ends in CodecFailed. Which codec is for
which uplink is decided in `messaging.codecs`.
"""

import base64
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeVar

from thingbridge.messaging.codecs import CRITERIA, Codec, choose, version_ids
from thingbridge.messaging.rule_payload import MAX_LEVELS, is_deeper_than

PACKAGE: Final = "device_codecs"
"""Not `codecs`, which is a module of Python itself."""

MAX_OUTPUT_BYTES: Final = 32 * 1024

Result = TypeVar("Result")


class CodecFailed(Exception):
    """A codec that returned no result. `codec` is its name; `reason` contains nothing of the payload."""

    def __init__(self, codec: str, reason: str) -> None:
        super().__init__(f"{codec}: {reason}")
        self.codec, self.reason = codec, reason


class _OutOfTime(BaseException):
    """Not an Exception: codecs catch those."""


class TimeLimits(NamedTuple):
    """Seconds that a codec may take."""

    to_import: float = 5.0
    to_decode: float = 1.0


class BrokenCodec(NamedTuple):
    """A codec that could not be imported, and why."""

    codec: str
    reason: str


class Codecs(NamedTuple):
    """The codecs of a zip, and those that could not be imported."""

    usable: Sequence[Codec]
    broken: Sequence[BrokenCodec]
    limits: TimeLimits = TimeLimits()

    def decode(self, uplink: Mapping[str, Any]) -> dict[str, Any] | None:
        """The decoded payload of an `uplink_message`, a JSON object; None if no codec is for it.

        Raises CodecFailed, also for a codec that can't be imported when no other is for the uplink.
        """
        codec = choose(self.usable, uplink)
        if codec is None:
            if self.broken:
                # A new one: an exception that is raised again and again keeps the frames of all its raises.
                raise CodecFailed(self.broken[0].codec, self.broken[0].reason)
            return None
        try:
            payload = base64.b64decode(uplink.get("frm_payload") or "", validate=True)
        except (ValueError, TypeError):
            return None

        def decode() -> str:
            output = codec.decode_uplink(payload, uplink["f_port"], version_ids(uplink))
            if not isinstance(output, dict):
                raise CodecFailed(codec.name, f"returned {type(output).__name__}, not a dict")
            return json.dumps(output, allow_nan=False)

        text = _guarded(codec.name, decode, self.limits.to_decode)
        if len(text) > MAX_OUTPUT_BYTES:
            raise CodecFailed(codec.name, f"returned {len(text)} bytes of JSON, the limit is {MAX_OUTPUT_BYTES}")
        decoded = dict(json.loads(text))
        # A payload may decide how deep it is, and a message that comes so deep is not passed on either.
        if is_deeper_than(MAX_LEVELS, decoded):
            raise CodecFailed(codec.name, f"returned more than {MAX_LEVELS} levels of objects and lists")
        return decoded


class PackagedCodecs:
    """The codecs in this zip, imported when the first uplink needs one."""

    def __init__(self, limits: TimeLimits = TimeLimits()) -> None:  # noqa: B008 - immutable
        self._limits = limits
        self._loaded: Codecs | None = None

    def decode(self, uplink: Mapping[str, Any]) -> dict[str, Any] | None:
        """As `Codecs.decode`; None as well if the zip has no codecs."""
        self._loaded = self._loaded or load(self._limits)
        return self._loaded.decode(uplink)


def load(limits: TimeLimits) -> Codecs:
    """Import the codecs of this zip."""
    import importlib.util
    import pkgutil

    spec = importlib.util.find_spec(PACKAGE)
    usable: list[Codec] = []
    broken: list[BrokenCodec] = []
    locations = (spec.submodule_search_locations if spec else None) or []
    for name in sorted(each.name for each in pkgutil.iter_modules(locations)):
        try:
            module = _guarded(name, partial(importlib.import_module, f"{PACKAGE}.{name}"), limits.to_import)
            # A module without devices is shared by codecs, but not one itself.
            if hasattr(module, "DEVICES"):
                usable.append(_codec(name, module))
        except CodecFailed as failure:
            broken.append(BrokenCodec(failure.codec, failure.reason))
    return Codecs(usable, broken, limits)


def _codec(name: str, module: ModuleType) -> Codec:
    devices = module.DEVICES
    if not isinstance(devices, list | tuple) or not all(
        isinstance(each, dict) and each and each.keys() <= CRITERIA for each in devices
    ):
        raise CodecFailed(name, f"DEVICES must be a list of dicts with some of {', '.join(sorted(CRITERIA))}")
    decode_uplink = getattr(module, "decode_uplink", None)
    if not callable(decode_uplink):
        raise CodecFailed(name, "has no function decode_uplink")
    return Codec(name, devices, decode_uplink)


def _guarded(codec: str, work: Callable[[], Result], seconds: float) -> Result:
    """Run third-party code. Raises CodecFailed for everything it raises, SystemExit too, and after `seconds`."""
    try:
        return _within(seconds, work)
    except CodecFailed:
        raise
    except _OutOfTime:
        raise CodecFailed(codec, f"took longer than {seconds:g} s") from None
    except BaseException as error:  # Nothing that a codec raises may stop the message.
        import traceback

        # Without the error's text, which may contain the payload.
        frames = traceback.extract_tb(error.__traceback__)
        at = next((frame.lineno for frame in reversed(frames) if PACKAGE in frame.filename), None)
        raise CodecFailed(codec, f"{type(error).__name__} in line {at}" if at else type(error).__name__) from None


def _within(seconds: float, work: Callable[[], Result]) -> Result:
    import signal

    if threading.current_thread() is not threading.main_thread():
        return work()  # Signals reach only the main thread; Lambda calls handlers there.

    def ring(*_: object) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Repeatedly: a codec may catch the first one.
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
        try:
            return work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
