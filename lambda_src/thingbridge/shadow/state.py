"""The fields of the named shadow `lorawan`, and which of them a message reports.

Fields and units: `lastSeen`, `activated` RFC 3339; `gateways` how many received the last uplink; `rssi` dBm and
`snr` dB of its best reception, the one with the best SNR; `fCntUp`, `fCntDown` frame counters of the session; `devAddr`
8 upper-case hex digits; `sessionID` base64; `decodedPayload` the decoder's output for the last uplink, or the `state`
in it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from thingbridge.shadow.limits import fitting
from thingbridge.shadow.times import sortable

SHADOW_NAME: Final = "lorawan"
DECODED_PAYLOAD: Final = "decodedPayload"

RADIO: Final = frozenset({"gateways", "rssi", "snr"})
"""Fields that follow from all receptions of an uplink."""

MAX_NUMBER: Final = 2**53
"""The largest whole number that every reader of JSON understands."""


class ShadowSettings(NamedTuple):
    """The `shadow` object of the root module.

    `metrics`: write the radio and session metrics, without `radio` only the latter; `decoded_payload`: the decoder's
    output. `min_interval_seconds`: the least time between two writes to one shadow, 0 for none. `delta_f_port`: FPort
    for changed desired states.
    """

    metrics: bool = True
    min_interval_seconds: int = 0
    decoded_payload: bool = False
    delta_f_port: int | None = None
    radio: bool = True


class ReportedState(NamedTuple):
    """The part of `reported` that a message writes, empty if none.

    `received_at`: when the network had the message, as text that sorts by time; None if the message does not say.
    `omitted`: which part of the decoder's output a shadow can't hold, and why; None for nothing. `beside_state`: the
    members that are not reported because the decoder's output has a `state`.
    """

    fields: Mapping[str, Any]
    received_at: str | None
    omitted: str | None
    beside_state: Sequence[str] = ()


def reported(body: Mapping[str, Any], settings: ShadowSettings, *, own_counters: bool = False) -> ReportedState:
    """The state that an `ApplicationUp` reports under the stack's settings; `own_counters` as for `metrics`."""
    sent, at = _received(body)
    fields = (_metrics(body, sent, own_counters=own_counters) or {}) if settings.metrics else {}
    if not settings.radio:
        fields = {name: value for name, value in fields.items() if name not in RADIO}
    if not settings.decoded_payload:
        return ReportedState(fields, at, None)
    payload, omitted = decoded(body)
    return ReportedState({**fields, **payload}, at, omitted, beside_state(body))


def metrics(body: Mapping[str, Any], *, own_counters: bool = False) -> dict[str, Any] | None:
    """The radio and session state of an `ApplicationUp`, or None for a message without any.

    `own_counters`: whether this stack numbers downlinks itself, as under end-to-end encryption; without it, The Things
    Stack publishes the counter only later.

    `body` has `end_device_ids`, an object. A part of an undocumented type is ignored: the message itself is still
    delivered.
    """
    return _metrics(body, _received(body)[0], own_counters=own_counters)


def _metrics(body: Mapping[str, Any], at: str | None, *, own_counters: bool) -> dict[str, Any] | None:
    match body:
        case {"uplink_message": dict(uplink)}:
            return _uplink(body, uplink, at)
        case {"join_accept": dict(join)}:
            return _join(body, join, at)
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


def beside_state(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The members of a decoder's output that are not reported because it has an object `state`; empty without one."""
    match body:
        case {"uplink_message": {"decoded_payload": {"state": dict(), **others}}}:
            return tuple(sorted(str(name) for name in others))
    return ()


def received_at(body: Mapping[str, Any]) -> str | None:
    """When the network had the message, as text that sorts by time (RFC 3339 with nanoseconds); None if unknown."""
    return _received(body)[1]


def _received(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The first usable time of reception, as it was sent and sortable. A time before LoRaWAN existed is not one."""
    for part in (body.get("uplink_message"), body.get("join_accept"), body):
        if isinstance(part, dict):
            sent = part.get("received_at")
            if at := sortable(sent):
                return sent, at
    return None, None


def _uplink(body: Mapping[str, Any], uplink: Mapping[str, Any], at: str | None) -> dict[str, Any]:
    metadata = uplink.get("rx_metadata")
    receptions = [each for each in metadata if isinstance(each, dict)] if isinstance(metadata, list) else []
    f_cnt = uplink.get("f_cnt", 0)
    return _known(
        {
            **_session(body, uplink),
            "lastSeen": at,
            "fCntUp": f_cnt if _is_number(f_cnt) else 0,
            "gateways": len({_gateway(index, each) for index, each in enumerate(receptions)}),
            **_best_reception(receptions),
        }
    )


def _best_reception(receptions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`rssi` and `snr` of the reception with the best SNR, of several the loudest; empty if no reception has them.

    SNR decides whether a LoRa frame is decoded; RSSI contains the noise. A forwarder behind Packet Broker may hide both
    (`packet_broker`): then RSSI is missing. SNR 0 dB is common and omitted from the JSON as a zero value.
    """
    measured = [(0 if each.get("snr") is None else each["snr"], each.get("rssi")) for each in receptions]
    known = [(snr, rssi) for snr, rssi in measured if _is_number(snr) and _is_number(rssi)]
    if not known:
        return {}
    snr, rssi = max(known)
    return {"rssi": rssi, "snr": snr}


def _join(body: Mapping[str, Any], join: Mapping[str, Any], at: str | None) -> dict[str, Any]:
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


def _is_number(value: object) -> bool:
    # Finite: Python reads NaN and Infinity from JSON, a shadow document can't contain them. Nor whole numbers that are
    # no floating-point numbers. What is read from JSON has exactly these types; a bool has another.
    if type(value) is int:
        return abs(value) <= MAX_NUMBER
    return type(value) is float and math.isfinite(value)


def _gateway(index: int, reception: Mapping[str, Any]) -> tuple[str, ...]:
    """Identity of the receiving gateway: its antennas count once, gateways behind Packet Broker separately."""
    forwarder = reception.get("packet_broker")
    if isinstance(forwarder, dict):
        gateway = forwarder.get("forwarder_gateway_eui") or forwarder.get("forwarder_gateway_id") or index
        return tuple(map(str, (forwarder.get("forwarder_net_id"), forwarder.get("forwarder_tenant_id"), gateway)))
    ids = reception.get("gateway_ids")
    return (str(ids.get("gateway_id") or ids.get("eui") or index),) if isinstance(ids, dict) else (str(index),)
