"""Decoders of the stack's user for devices whose formatter is not in The Things Stack: which one, and running it.

A codec is a Python module below `device_codecs/` in the functions' zip. It names its devices (`DEVICES`) and has a
function `decode_uplink(payload, f_port, version_ids)`; docs/codecs.md tells more. Whatever one does, the message goes
on: all that a codec raises, and all that it takes too long for, ends in CodecFailed.
"""

import base64
import importlib
import importlib.util
import json
import pkgutil
import signal
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any, Final, TypeVar, cast

PACKAGE: Final = "device_codecs"
"""Not `codecs`, which is a module of Python itself."""

SECONDS_TO_IMPORT: Final = 5.0
SECONDS_TO_DECODE: Final = 1.0
MAX_OUTPUT_BYTES: Final = 32 * 1024
CRITERIA: Final = frozenset({"brand_id", "model_id", "f_port"})

Result = TypeVar("Result")


class CodecFailed(Exception):
    """A codec that gave no result. `codec` is its name, `reason` holds nothing of the payload."""

    def __init__(self, codec: str, reason: str) -> None:
        super().__init__(f"{codec}: {reason}")
        self.codec, self.reason = codec, reason


class _TimeIsUp(BaseException):
    """Not an Exception: codecs catch those."""


@dataclass(frozen=True)
class Codec:
    """One module. `devices`: what an uplink must tell to be decoded by it, any one of them."""

    name: str
    devices: Sequence[Mapping[str, Any]]
    decode_uplink: Callable[[bytes, int, Mapping[str, str]], object]

    def closeness(self, told: Mapping[str, Any]) -> int:
        """How many criteria of the best matching device an uplink meets, 0 for none."""
        matches = (each for each in self.devices if all(told.get(name) == value for name, value in each.items()))
        return max((len(each) for each in matches), default=0)


@dataclass(frozen=True)
class Codecs:
    """The codecs of a zip, and those that could not be imported."""

    sound: Sequence[Codec]
    broken: Sequence[CodecFailed]

    def decode(self, uplink: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the codec of an `uplink_message` makes of it, a JSON object; None when no codec is for it.

        Of several the one that asks for most decides. Raises CodecFailed, also for a codec that can't be imported when
        no other is for the uplink.
        """
        versions = uplink.get("version_ids")
        version_ids = dict(versions) if isinstance(versions, dict) else {}
        told = {**version_ids, "f_port": uplink["f_port"]}
        codec = max(self.sound, key=lambda each: each.closeness(told), default=None)
        if codec is None or not codec.closeness(told):
            if self.broken:
                raise self.broken[0]
            return None
        try:
            payload = base64.b64decode(uplink.get("frm_payload") or "", validate=True)
        except (ValueError, TypeError):
            return None

        def decode() -> str:
            output = codec.decode_uplink(payload, uplink["f_port"], version_ids)
            if not isinstance(output, dict):
                raise CodecFailed(codec.name, f"gave {type(output).__name__}, not a dict")
            return json.dumps(output, allow_nan=False)

        text = _guarded(codec.name, decode, SECONDS_TO_DECODE)
        if len(text) > MAX_OUTPUT_BYTES:
            raise CodecFailed(codec.name, f"gave {len(text)} bytes of JSON, the limit is {MAX_OUTPUT_BYTES}")
        return dict(json.loads(text))


def undecoded(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The uplink of an `ApplicationUp` that The Things Stack has not decoded; None for any other message.

    One that comes with its AppSKey is encrypted still: The Things Stack hands the key out instead of using it.
    """
    match body:
        case {"uplink_message": {"f_port": int(f_port)} as uplink} if f_port > 0 and not isinstance(f_port, bool):
            done = "decoded_payload" in uplink or "app_s_key" in uplink
            return None if done else cast("Mapping[str, Any]", uplink)
    return None


@cache
def packaged() -> Codecs | None:
    """The codecs of this zip, None when it has none. Imported once, when the first uplink asks for one."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        return None
    sound: list[Codec] = []
    broken: list[CodecFailed] = []
    for name in sorted(each.name for each in pkgutil.iter_modules(spec.submodule_search_locations)):
        try:
            module = _guarded(name, partial(importlib.import_module, f"{PACKAGE}.{name}"), SECONDS_TO_IMPORT)
            # Without devices it is no codec, but something that codecs share.
            if hasattr(module, "DEVICES"):
                sound.append(_codec(name, module))
        except CodecFailed as failure:
            broken.append(failure)
    return Codecs(sound, broken)


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
    """Run somebody else's code. Raises CodecFailed for everything it may raise, SystemExit too, and after `seconds`."""
    try:
        return _within(seconds, work)
    except CodecFailed:
        raise
    except _TimeIsUp:
        raise CodecFailed(codec, f"took longer than {seconds:g} s") from None
    except BaseException as error:  # A codec ends a message's way by nothing that it raises.
        # Not the error's text: it may hold the payload.
        frames = traceback.extract_tb(error.__traceback__)
        at = next((frame.lineno for frame in reversed(frames) if PACKAGE in frame.filename), None)
        raise CodecFailed(codec, f"{type(error).__name__} in line {at}" if at else type(error).__name__) from None


def _within(seconds: float, work: Callable[[], Result]) -> Result:
    if threading.current_thread() is not threading.main_thread():
        return work()  # Signals reach the main thread alone; Lambda calls handlers there.

    def ring(*_: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Again and again: a codec may catch the first one.
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
        try:
            return work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
