"""Payload formatters: the JavaScript of a device or an application that decodes uplinks and encodes downlinks.

Only JavaScript formatters run; the others behave as on a deployment without them. What `normalizeUplink` returns is
not compared with the schema of normalized payloads.
Sources: the Stack's applicationserver/payload.go, messageprocessors/javascript and scripting/javascript.
"""

from __future__ import annotations

import base64
import json

from local.things_stack.description.errors import ABORTED, FAILED_PRECONDITION, ApiError
from local.things_stack.description.proto3_json import Json, base64_of

SECONDS = 1
"""Processor time per script. The Stack allows 0.1 s, which may be too little on a busy laptop."""
MEMORY = 32 * 2**20
"""Bytes per script."""
_NONE, _JAVASCRIPT = "FORMATTER_NONE", "FORMATTER_JAVASCRIPT"
_ENTRIES = {
    "decodeUplink": "typeof decodeUplink === 'function' ? decodeUplink(input) "
                    ": { data: Decoder(input.bytes, input.fPort) }",
    "encodeDownlink": "typeof encodeDownlink === 'function' ? encodeDownlink(input) "
                      ": { bytes: Encoder(input.data, input.fPort), fPort: input.fPort }",
    "decodeDownlink": "decodeDownlink(input)",
    "normalizeUplink": "typeof normalizeUplink === 'function' ? normalizeUplink(input) : {}",
}  # fmt: skip
"""Function → how it is called; scripts of The Things Network V2 define Decoder and Encoder instead."""


def decode_uplink(formatters: Json, f_port: int | None, payload: bytes) -> Json:
    """`decoded_payload`, `normalized_payload` and the warnings of both. Empty when there is no formatter or the script
    fails: the Stack then forwards the uplink without them."""
    decoded = _decoded("decodeUplink", formatters, "up", f_port, payload)
    return decoded | (_normalized(formatters, decoded["decoded_payload"]) if decoded else {})


def decode_downlink(formatters: Json, item: Json) -> Json:
    """`item` with its `decoded_payload`, if a formatter can decode it."""
    payload = base64.b64decode(item.get("frm_payload", ""))
    return item | _decoded("decodeDownlink", formatters, "down", item.get("f_port"), payload)


def encode_downlink(formatters: Json, item: Json) -> Json:
    """`item` with the `frm_payload` encoded from its `decoded_payload`, and the FPort that the script chose. Unchanged
    without a formatter. ApiError: the script failed or returned errors."""
    if formatters.get("down_formatter", _NONE) == _NONE:
        return item
    data = {"data": item["decoded_payload"], "fPort": item.get("f_port", 0)}
    output = _run("encodeDownlink", formatters, "down", data)
    payload = output.get("bytes") or []
    if not isinstance(payload, list) or not all(isinstance(byte, int | float) for byte in payload):
        raise _invalid_output()
    encoded = bytes(int(byte) & 0xFF for byte in payload)
    f_port = output.get("fPort")
    return item | {
        "frm_payload": base64_of(encoded), "decoded_payload_warnings": output.get("warnings") or [],
        "f_port": int(f_port) if f_port is not None else item.get("f_port") or 1,
    }  # fmt: skip


def _decoded(function: str, formatters: Json, direction: str, f_port: int | None, payload: bytes) -> Json:
    if not f_port or formatters.get(f"{direction}_formatter", _NONE) == _NONE:
        return {}
    try:
        output = _run(function, formatters, direction, {"bytes": list(payload), "fPort": f_port})
    except ApiError:
        return {}
    data = output.get("data") or {}
    if not isinstance(data, dict):
        return {}
    return {"decoded_payload": data, "decoded_payload_warnings": output.get("warnings") or []}


def _normalized(formatters: Json, decoded: Json) -> Json:
    try:
        output = _run("normalizeUplink", formatters, "up", {"data": decoded})
    except ApiError:
        return {}
    data = output.get("data")
    measurements = data if isinstance(data, list) else [data]
    if not all(isinstance(each, dict) for each in measurements):
        return {}
    return {"normalized_payload": measurements, "normalized_payload_warnings": output.get("warnings") or []}


def _run(function: str, formatters: Json, direction: str, data: Json) -> Json:
    """The return value of the script's function. ApiError: the formatter is not JavaScript, the script failed, or it
    returned `errors`."""
    kind = formatters[f"{direction}_formatter"]
    if kind != _JAVASCRIPT:
        raise ApiError(FAILED_PRECONDITION, "pkg/messageprocessors:formatter_not_configured",
                       "formatter `{formatter}` is not configured", {"formatter": kind})  # fmt: skip
    import quickjs  # imported here: a simulation without formatters never loads the engine

    context = quickjs.Context()
    context.set_time_limit(SECONDS)
    context.set_memory_limit(MEMORY)
    try:
        context.eval(formatters.get(f"{direction}_formatter_parameter", ""))
        context.eval(f"function main(input) {{ return JSON.stringify({_ENTRIES[function]}) }}")
        printed = context.eval(f"main({json.dumps(data)})")
    except (quickjs.JSException, quickjs.StackOverflow) as error:
        message = str(error).strip()
        if "interrupted" in message:
            raise ApiError(4, "pkg/scripting/javascript:script_timeout", "script timeout") from None
        raise ApiError(
            ABORTED, "pkg/scripting/javascript:script", "{message}", {"message": message.splitlines()[0]}
        ) from None
    output = json.loads(printed) if isinstance(printed, str) else None
    if output is None:
        raise ApiError(ABORTED, "pkg/scripting/javascript:no_script_output", "no script output")
    if not isinstance(output, dict):
        raise _invalid_output()
    if errors := output.get("errors"):
        raise ApiError(ABORTED, "pkg/messageprocessors/javascript:output_errors", "{errors}",
                       {"errors": ", ".join(map(str, errors))})  # fmt: skip
    return output


def _invalid_output() -> ApiError:
    return ApiError(2, "pkg/messageprocessors/javascript:output", "invalid output")
