"""Codecs of the stack's user, imported and run: whatever one of them does, the message is delivered."""

import base64
import gc
import signal
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.sizes import size
from thingbridge.flows import codecs
from thingbridge.flows.codecs import CodecFailed, Codecs, PackagedCodecs, TimeLimits

Install = Callable[..., Codecs]

PATIENT = TimeLimits(to_import=30, to_decode=30)
SHORT = TimeLimits(to_import=0.5, to_decode=0.1)
"""For what never ends. All else is given time, because a busy machine may stand still for a while."""

TOO_DEEP = "returned more than 100 levels of objects and lists"

GOOD = """
DEVICES = [{devices}]
def decode_uplink(payload, f_port, version_ids):
    return {{'by': {name!r}, 'n': payload[0]}}
"""
USES_SHARED = """
from device_codecs import shared
DEVICES = [{'f_port': 2}]
def decode_uplink(payload, f_port, version_ids):
    return {'unit': shared.UNIT}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Write modules to where the zip has them, and import them."""

    def write(limits: TimeLimits = PATIENT, **modules: str) -> Codecs:
        folder = tmp_path / codecs.PACKAGE
        folder.mkdir()
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        return codecs.load(limits)

    return write


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Each test imports codecs of its own."""
    yield
    for name in [each for each in sys.modules if each.split(".")[0] == codecs.PACKAGE]:
        del sys.modules[name]


def limits(reason: str) -> TimeLimits:
    """The limits under which a codec is to fail for that reason."""
    return SHORT if reason.startswith("took longer") else PATIENT


def uplink(payload: bytes = b"\7", f_port: int = 2, **version_ids: str) -> dict[str, Any]:
    return {"f_port": f_port, "frm_payload": base64.b64encode(payload).decode(), "version_ids": version_ids}


def test_without_a_folder_of_codecs_nothing_is_decoded() -> None:
    assert PackagedCodecs().decode(uplink()) is None


def test_the_codecs_of_the_zip_are_imported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / codecs.PACKAGE / "port.py"
    module.parent.mkdir()
    module.write_text(GOOD.format(devices="{'f_port': 2}", name="port"))
    monkeypatch.syspath_prepend(str(tmp_path))
    packaged = PackagedCodecs()
    assert packaged.decode(uplink()) == {"by": "port", "n": 7}
    del sys.modules[f"{codecs.PACKAGE}.port"]
    assert packaged.decode(uplink()) == {"by": "port", "n": 7}
    assert f"{codecs.PACKAGE}.port" not in sys.modules


def test_the_most_specific_codec_decodes(install: Install) -> None:
    found = install(
        port=GOOD.format(devices="{'f_port': 2}", name="port"),
        model=GOOD.format(devices="{'brand_id': 'acme', 'model_id': 'soil'}", name="model"),
        shared="UNIT = '%'\n",
    )
    assert found.decode(uplink()) == {"by": "port", "n": 7}
    assert found.decode(uplink(brand_id="acme", model_id="soil")) == {"by": "model", "n": 7}
    assert found.decode(uplink(brand_id="acme", model_id="other", f_port=3)) is None
    assert not found.broken


def test_codecs_may_share_a_module(install: Install) -> None:
    assert install(a=USES_SHARED, shared="UNIT = '%'\n").decode(uplink()) == {"unit": "%"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('secret ' + payload.hex())", "ValueError in line 3"),
        ("raise SystemExit(3)", "SystemExit in line 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt in line 3"),
        ("return decode_uplink(payload, f_port, version_ids)", "RecursionError in line 3"),
        ("return [1]", "returned list, not a dict"),
        ("return None", "returned NoneType, not a dict"),
        ("return {'x': float('nan')}", "ValueError"),
        ("return {'x': {1, 2}}", "TypeError"),
        ("return {'x': 'y' * 40000}", "returned 40009 bytes of JSON, the limit is 32768"),
        ("raise MemoryError", "MemoryError in line 3"),
        ("import functools; return {'x': functools.reduce(lambda x, _: [x], range(100), 1)}", TOO_DEEP),
        ("import functools; return functools.reduce(lambda x, _: {'a': x}, range(500), {})", TOO_DEEP),
        ("import functools; return functools.reduce(lambda x, _: {'a': x}, range(5000), {})", "RecursionError"),
        ("import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN); return []", "returned list, not a dict"),
        ("while True: pass", "took longer than 0.1 s"),
        ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", "took longer than 0.1 s"),
    ],
)
def test_whatever_a_codec_does_ends_in_a_failure_that_names_it(install: Install, body: str, reason: str) -> None:
    found = install(
        limits(reason),
        bad=f"DEVICES = [{{'f_port': 2}}]\ndef decode_uplink(payload, f_port, version_ids):\n    {body}\n",
    )
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(CodecFailed) as failure:
        found.decode(uplink(b"\xde\xad"))
    assert (failure.value.codec, failure.value.reason) == ("bad", reason)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import there_is_none\n", "ModuleNotFoundError in line 1"),
        ("def broken(:\n", "SyntaxError"),
        ("raise SystemExit\n", "SystemExit in line 1"),
        ("while True: pass\n", "took longer than 0.5 s"),
        ("DEVICES = [{'dev_eui': 'X'}]\n", "DEVICES must be a list of dicts with some of brand_id, f_port, model_id"),
        ("DEVICES = [{}]\n", "DEVICES must be a list of dicts with some of brand_id, f_port, model_id"),
        ("DEVICES = [{'f_port': 2}]\n", "has no function decode_uplink"),
    ],
)
def test_a_codec_that_can_not_be_imported_fails_the_uplinks_without_another_codec(
    install: Install, source: str, reason: str
) -> None:
    found = install(limits(reason), bad=source, good=GOOD.format(devices="{'f_port': 3}", name="good"))
    assert found.decode(uplink(f_port=3)) == {"by": "good", "n": 7}
    with pytest.raises(CodecFailed) as failure:
        found.decode(uplink())
    assert (failure.value.codec, failure.value.reason) == ("bad", reason)


def test_a_broken_codec_takes_no_more_memory_with_each_uplink(install: Install) -> None:
    found = install(bad="import there_is_none\n")

    def decode(message: Mapping[str, Any]) -> str:
        try:
            found.decode(message)
        except CodecFailed as failure:
            return str(failure)
        return ""

    message, uplinks = uplink(), size(4_000, 20_000)
    assert decode(message) == "bad: ModuleNotFoundError in line 1"
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(uplinks):
            decode(message)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Other threads of the tests use some as well; an exception that is kept takes at least 200 bytes.
    assert used < size(400_000, 500_000)


def test_the_example_of_the_documentation_decodes(install: Install) -> None:
    source = Path(__file__).parents[3] / "examples" / "complete" / "codecs" / "acme_soil.py"
    found = install(acme_soil=source.read_text())
    soil = {"brand_id": "acme", "model_id": "soil-1"}
    assert found.decode(uplink(b"\x08\x35\x64", **soil, firmware_version="1.0")) == {"moisture": 21.01}
    assert found.decode(uplink(b"\x08\x35\x64", **soil, firmware_version="1.1")) == {"moisture": 21.01, "battery": 100}
