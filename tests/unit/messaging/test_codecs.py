"""Codecs of the stack's user: which one decodes an uplink, and that none of them can stop a message."""

import base64
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingbridge.errors import BadInput
from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.messaging import codecs, upstream
from thingbridge.messaging.codecs import CodecFailed, Codecs
from thingbridge.messaging.upstream import UpstreamMessage

Install = Callable[..., Codecs]

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
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put modules where the zip has them, and import them."""

    def forget() -> None:
        codecs.packaged.cache_clear()
        for name in [each for each in sys.modules if each.split(".")[0] == codecs.PACKAGE]:
            del sys.modules[name]

    def put(**modules: str) -> Codecs:
        folder = tmp_path / codecs.PACKAGE
        folder.mkdir()
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        forget()
        found = codecs.packaged()
        assert found
        return found

    yield put
    forget()


def uplink(payload: bytes = b"\7", f_port: int = 2, **version_ids: str) -> dict[str, Any]:
    return {"f_port": f_port, "frm_payload": base64.b64encode(payload).decode(), "version_ids": version_ids}


def test_without_a_folder_of_codecs_there_are_none() -> None:
    codecs.packaged.cache_clear()
    assert codecs.packaged() is None


def test_the_codec_that_asks_for_most_decodes(install: Install) -> None:
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
        ("return [1]", "gave list, not a dict"),
        ("return None", "gave NoneType, not a dict"),
        ("return {'x': float('nan')}", "ValueError"),
        ("return {'x': {1, 2}}", "TypeError"),
        ("return {'x': 'y' * 40000}", "gave 40009 bytes of JSON, the limit is 32768"),
        ("while True: pass", "took longer than 0.1 s"),
        ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", "took longer than 0.1 s"),
    ],
)
def test_whatever_a_codec_does_the_message_goes_on(
    install: Install, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    monkeypatch.setattr(codecs, "SECONDS_TO_DECODE", 0.1)
    found = install(bad=f"DEVICES = [{{'f_port': 2}}]\ndef decode_uplink(payload, f_port, version_ids):\n    {body}\n")
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
        ("while True: pass\n", "took longer than 0.1 s"),
        ("DEVICES = [{'dev_eui': 'X'}]\n", "DEVICES must be a list of dicts with some of brand_id, f_port, model_id"),
        ("DEVICES = [{}]\n", "DEVICES must be a list of dicts with some of brand_id, f_port, model_id"),
        ("DEVICES = [{'f_port': 2}]\n", "has no function decode_uplink"),
    ],
)
def test_a_codec_that_can_not_be_imported_is_told_by_messages_that_find_no_other(
    install: Install, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    monkeypatch.setattr(codecs, "SECONDS_TO_IMPORT", 0.1)
    found = install(bad=source, good=GOOD.format(devices="{'f_port': 3}", name="good"))
    assert found.decode(uplink(f_port=3)) == {"by": "good", "n": 7}
    with pytest.raises(CodecFailed) as failure:
        found.decode(uplink())
    assert (failure.value.codec, failure.value.reason) == ("bad", reason)


def test_the_example_decodes(install: Install) -> None:
    source = Path(__file__).parents[3] / "examples" / "complete" / "codecs" / "acme_soil.py"
    found = install(acme_soil=source.read_text())
    soil = {"brand_id": "acme", "model_id": "soil-1"}
    assert found.decode(uplink(b"\x08\x35\x64", **soil, firmware_version="1.0")) == {"moisture": 21.01}
    assert found.decode(uplink(b"\x08\x35\x64", **soil, firmware_version="1.1")) == {"moisture": 21.01, "battery": 100}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"uplink_message": {"f_port": 2}}, True),
        ({"uplink_message": {"f_port": 2, "decoded_payload": {}}}, False),
        ({"uplink_message": {"f_port": 2, "decoded_payload": None}}, False),
        ({"uplink_message": {"f_port": 2, "app_s_key": {"kek_label": "farm", "encrypted_key": "AQ=="}}}, False),
        ({"uplink_message": {"frm_payload": "AQ=="}}, False),
        ({"uplink_message": {"f_port": True}}, False),
        ({"uplink_message": {"f_port": "2"}}, False),
        ({"uplink_message": []}, False),
        ({"join_accept": {}}, False),
    ],
)
def test_only_uplinks_that_nobody_decoded_ask_for_a_codec(body: dict[str, Any], wanted: bool) -> None:
    assert (codecs.undecoded(body) is not None) is wanted


def message(raw: bytes) -> UpstreamMessage:
    return UpstreamMessage("uplink", EndDeviceIdentifiers("a", None, None), json.loads(raw), raw)


def test_the_decoded_payload_is_put_in_and_all_else_stays() -> None:
    raw = b'{ "x": "uplink_message: {", "n": 1.0e3,\n "uplink_message" : {\t"f_port": 2, "y": ["\\u00fc"]} , "z": 1 }'
    made = upstream.with_decoded_payload(message(raw), {"level": 1.5})
    before = json.loads(raw)
    assert json.loads(made.raw) == {
        **before,
        "uplink_message": {**before["uplink_message"], "decoded_payload": {"level": 1.5}},
    }
    assert made.body == json.loads(made.raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(max_size=5), JSON),
    st.dictionaries(st.text(max_size=5), JSON),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
    st.sampled_from([None, 2]),
)
def test_it_is_put_into_a_message_of_any_form(
    body: dict[str, Any], uplink: dict[str, Any], ascii_only: bool, encoding: str, indent: int | None
) -> None:
    uplink.pop("decoded_payload", None)
    text = json.dumps({**body, "uplink_message": {"f_port": 2, **uplink}}, ensure_ascii=ascii_only, indent=indent)
    sent = message(text.encode(encoding))
    made = upstream.with_decoded_payload(sent, {"ü": [1]})
    assert json.loads(made.raw) == made.body
    assert made.body["uplink_message"].pop("decoded_payload") == {"ü": [1]}
    assert made.body == sent.body


def test_a_message_is_not_made_longer_than_it_may_be() -> None:
    raw = json.dumps({"pad": "x" * 131_000, "uplink_message": {"f_port": 2}}).encode()
    with pytest.raises(BadInput):
        upstream.with_decoded_payload(message(raw), {"level": "y" * 100})
