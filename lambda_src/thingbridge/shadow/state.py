"""The fields of the named shadow `lorawan`, and which of them a message reports.

Fields and units: `lastSeen`, `activated` RFC 3339; `gateways` how many received the last uplink; `rssi` dBm and
`snr` dB of the best reception; `fCntUp`, `fCntDown` frame counters of the session; `devAddr` 8 upper-case hex
digits; `sessionID` base64; `decodedPayload` the decoder's output for the last uplink, or the `state` in it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.shadow.limits import fitting

SHADOW_NAME: Final = "lorawan"
DECODED_PAYLOAD: Final = "decodedPayload"

MAX_NUMBER: Final = 2**53
"""The largest whole number that every reader of JSON understands."""


@dataclass(frozen=True)
class ShadowSettings:
    """The `shadow` object of the root module.

    `metrics`: write the radio and session metrics; `decoded_payload`: the decoder's output. `min_interval_seconds`: the
    least time between two writes to one shadow, 0 for none. `delta_f_port`: FPort for changed desired states.
    """

    metrics: bool = True
    min_interval_seconds: int = 0
    decoded_payload: bool = False
    delta_f_port: int | None = None


@dataclass(frozen=True)
class ReportedState:
    """The part of `reported` that a message writes, empty if none.

    `received_at`: when the network had the message, as text that sorts by time; None if the message does not say.
    `omitted`: which part of the decoder's output a shadow can't hold, and why; None for nothing.
    """

    fields: Mapping[str, Any]
    received_at: str | None
    omitted: str | None


_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


def reported(body: Mapping[str, Any], settings: ShadowSettings, *, own_counters: bool = False) -> ReportedState:
    """The state that an `ApplicationUp` reports under the stack's settings; `own_counters` as for `metrics`."""
    fields = (metrics(body, own_counters=own_counters) or {}) if settings.metrics else {}
    payload, omitted = decoded(body) if settings.decoded_payload else ({}, None)
    return ReportedState({**fields, **payload}, received_at(body), omitted)


def metrics(body: Mapping[str, Any], *, own_counters: bool = False) -> dict[str, Any] | None:
    """The radio and session state of an `ApplicationUp`, or None for a message without any.

    `own_counters`: whether this stack numbers downlinks itself, as under end-to-end encryption; without it, The Things
    Stack publishes the counter only later.

    `body` has `end_device_ids`, an object. A part of an undocumented type is ignored: the message itself is still
    delivered.
    """
    match body:
        case {"uplink_message": dict(uplink)}:
            return _uplink(body, uplink)
        case {"join_accept": dict(join)}:
            return _join(body, join)
        case {"downlink_queued": {"f_cnt": int(f_cnt)}} if own_counters and f_cnt is not True and f_cnt <= MAX_NUMBER:
            return {"fCntDown": f_cnt}
    return None


def decoded(body: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """`{"decodedPayload": …}` of an uplink, empty without one; and what a shadow can't hold of it (None: nothing).

    If the decoder's output has an object `state`, only that is reported (the convention of the V2 integration);
    otherwise the whole output.
    """
    match body:
        case {"uplink_message": {"decoded_payload": {"state": dict(output)}}}:
            pass
        case {"uplink_message": {"decoded_payload": dict(output)}}:
            pass
        case _:
            return {}, None
    kept, omitted = fitting(output)
    return ({DECODED_PAYLOAD: kept} if kept else {}), omitted


def received_at(body: Mapping[str, Any]) -> str | None:
    """When the network had the message, as text that sorts by time (RFC 3339 with nanoseconds); None if unknown."""
    for part in (body.get("uplink_message"), body.get("join_accept"), body):
        match = _TIME.fullmatch(_text(part, "received_at") or "") if isinstance(part, dict) else None
        if match:
            return f"{match[1]}.{match[2] or '':0<9}Z"
    return None


def _uplink(body: Mapping[str, Any], uplink: Mapping[str, Any]) -> dict[str, Any]:
    metadata = uplink.get("rx_metadata")
    receptions = [each for each in metadata if isinstance(each, dict)] if isinstance(metadata, list) else []
    state = {
        **_session(body, uplink),
        "lastSeen": _text(uplink, "received_at") or _text(body, "received_at"),
        "fCntUp": max(_numbers([{"f_cnt": 0, **uplink}], "f_cnt"), default=0),
        "gateways": len({_gateway(index, each) for index, each in enumerate(receptions)}),
    }
    if receptions:
        state["rssi"] = max(_numbers(receptions, "rssi"), default=0)
        # SNR 0 dB is common and omitted from the JSON as a zero value, so a missing one counts as 0.
        state["snr"] = max(_numbers([{"snr": 0, **each} for each in receptions], "snr"), default=0)
    return _known(state)


def _join(body: Mapping[str, Any], join: Mapping[str, Any]) -> dict[str, Any]:
    at = _text(join, "received_at") or _text(body, "received_at")
    return _known({**_session(body, join), "activated": at, "lastSeen": at, "fCntUp": 0, "fCntDown": 0})


def _session(body: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    return {"devAddr": _text(body["end_device_ids"], "dev_addr"), "sessionID": _text(part, "session_key_id")}


def _known(state: Mapping[str, Any]) -> dict[str, Any]:
    # In a shadow document null deletes: a field that the message lacks keeps its last value.
    return {field: value for field, value in state.items() if value is not None}


_LONGEST_TEXT: Final = 256
"""Longer than any address or id, and short enough that a wrong one does not fill the shadow."""


def _text(part: Mapping[str, Any], field: str) -> str | None:
    """A short text of ASCII, as times, addresses and ids are; JSON may contain text that UTF-8 can't encode."""
    value = part.get(field)
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and value.isascii() else None


def _numbers(receptions: Iterable[Mapping[str, Any]], field: str) -> list[float]:
    values = (each.get(field) for each in receptions)
    # Python reads NaN, Infinity and numbers of any size from JSON, a shadow document can't contain them.
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= MAX_NUMBER]


def _gateway(index: int, reception: Mapping[str, Any]) -> tuple[str, ...]:
    """Identity of the receiving gateway: its antennas count once, gateways behind Packet Broker separately."""
    forwarder = reception.get("packet_broker")
    if isinstance(forwarder, dict):
        gateway = forwarder.get("forwarder_gateway_eui") or forwarder.get("forwarder_gateway_id") or index
        return tuple(map(str, (forwarder.get("forwarder_net_id"), forwarder.get("forwarder_tenant_id"), gateway)))
    ids = reception.get("gateway_ids")
    return (str(ids.get("gateway_id") or ids.get("eui") or index),) if isinstance(ids, dict) else (str(index),)
