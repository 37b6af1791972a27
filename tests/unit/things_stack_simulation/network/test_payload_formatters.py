"""Payload formatters in JavaScript, of a device and of its application, as the Stack runs them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from local.things_stack import ThingsStack
from tests.unit.things_stack_simulation.conftest import APP, DEVICE, Client, error_of
from tests.unit.things_stack_simulation.network.conftest import DOWN, push

LEVEL = "function decodeUplink(input) { return { data: { level: input.bytes[0], port: input.fPort } }; }"
VALVE = """
function encodeDownlink(input) {
  if (input.data.open === undefined) return { errors: ["open is missing", "nothing to do"] };
  return { bytes: [input.data.open ? 1 : 0, 258], fPort: 7, warnings: ["slow"] };
}
function decodeDownlink(input) { return { data: { open: input.bytes[0] === 1 } }; }
"""


def script(direction: str, text: str, formatter: str = "FORMATTER_JAVASCRIPT") -> dict[str, str]:
    return {f"{direction}_formatter": formatter, f"{direction}_formatter_parameter": text}


@pytest.fixture
def joined(simulation: ThingsStack, device: str) -> str:
    simulation.network.join(APP, device)
    return device


def formatted(client: Client, formatters: dict[str, str]) -> None:
    assert client.set_device("as", {"formatters": formatters}, ["formatters"]).status_code == 200


def uplink(simulation: ThingsStack, **options: Any) -> dict[str, Any]:
    options = {"f_port": 2, "frm_payload": b"\x2a"} | options
    return dict(simulation.network.uplink(APP, DEVICE, **options).message["uplink_message"])


def test_the_formatter_of_a_device_takes_precedence_over_that_of_its_application(
    simulation: ThingsStack, joined: str, client: Client
) -> None:
    v2 = "function Decoder(bytes, port) { return { v2: bytes.length + port }; }"
    link = {"link": {"default_formatters": script("up", v2)}, "field_mask": {"paths": ["default_formatters"]}}
    client.json("PUT", f"/as/applications/{APP}/link", link)
    assert uplink(simulation)["decoded_payload"] == {"v2": 3}
    formatted(client, script("up", LEVEL))
    assert uplink(simulation)["decoded_payload"] == {"level": 42, "port": 2}
    assert uplink(simulation, decoded_payload={"given": 1})["decoded_payload"] == {"given": 1}
    assert "decoded_payload" not in uplink(simulation, f_port=None, frm_payload=b"")
    simulation.assert_no_violations()


@pytest.mark.parametrize(
    "text",
    [
        "not a script",
        "function other() {}",
        "function decodeUplink() { throw new Error(1) }",
        "function decodeUplink() { return { data: {}, errors: ['no'] } }",
        "function decodeUplink() { while (true) {} }",
        "function decodeUplink() { return null }",
    ],
)
def test_an_uplink_whose_formatter_fails_is_forwarded_without_decoded_payload(
    simulation: ThingsStack, joined: str, client: Client, text: str
) -> None:
    formatted(client, script("up", text))
    message = uplink(simulation)
    assert message["frm_payload"] == "Kg=="
    assert "decoded_payload" not in message


def test_warnings_are_published(simulation: ThingsStack, joined: str, client: Client) -> None:
    formatted(client, script("up", "function decodeUplink() { return { data: { a: 1 }, warnings: ['old'] } }"))
    assert uplink(simulation)["decoded_payload_warnings"] == ["old"]


def test_a_downlink_is_encoded_and_shown_decoded(simulation: ThingsStack, joined: str, client: Client) -> None:
    formatted(client, script("down", VALVE))
    assert push(client, {"f_port": 1, "decoded_payload": {"open": True}}).status_code == 200
    queued = client.json("GET", DOWN)["downlinks"][0]
    assert (queued["f_port"], queued["decoded_payload"]) == (7, {"open": True})
    simulation.network.uplink(APP, joined)
    assert base64.b64decode(simulation.network.received(APP, joined)[0]["frm_payload"]) == b"\x01\x02"
    push(client, {"f_port": 3, "frm_payload": "AQ=="})
    assert simulation.network.published[-1].message["downlink_queued"]["decoded_payload"] == {"open": True}


@pytest.mark.parametrize(
    ("formatters", "expected", "text"),
    [
        (script("down", VALVE), (409, "pkg/messageprocessors/javascript:output_errors"), "open is missing, nothing"),
        (script("down", "function encodeDownlink() { throw new Error('bad') }"),
         (409, "pkg/scripting/javascript:script"), "bad"),
        (script("down", "function encodeDownlink() {}"), (409, "pkg/scripting/javascript:no_script_output"), "output"),
        (script("down", "function encodeDownlink() { while (true) {} }"),
         (504, "pkg/scripting/javascript:script_timeout"), "timeout"),
        (script("down", "", "FORMATTER_REPOSITORY"),
         (400, "pkg/messageprocessors:formatter_not_configured"), "FORMATTER_REPOSITORY"),
    ],
)  # fmt: skip
def test_a_downlink_that_can_not_be_encoded_is_rejected_with_the_reason(
    simulation: ThingsStack, joined: str, client: Client, formatters: dict[str, str], expected: Any, text: str
) -> None:
    formatted(client, formatters)
    answer = push(client, {"f_port": 1, "decoded_payload": {"x": 1}})
    assert error_of(answer) == expected
    assert text in answer.json()["message"]
    assert client.json("GET", DOWN) == {}


def test_with_skipped_crypto_no_formatter_runs(simulation: ThingsStack, device: str, client: Client) -> None:
    simulation.servers.join.settings[APP] = {"kek_label": "kek-1", "kek": {"key": "01" * 16}}
    simulation.servers.application.links[APP] = {"skip_payload_crypto": True}
    simulation.network.join(APP, device)
    formatted(client, script("up", LEVEL) | script("down", VALVE))
    assert "decoded_payload" not in uplink(simulation)
    answer = push(client, {"f_port": 1, "f_cnt": 1, "decoded_payload": {"open": True}})
    assert error_of(answer) == (400, "pkg/applicationserver:no_payload")
