"""The Application Server's part of a downlink: its payload and frame counters, before the Network Server queues it.

An application either leaves encryption and numbering to the Application Server, or skips payload crypto and does both
itself. Sources: the Stack's applicationserver.go (downlinkQueueOp, attemptDownlinkQueueOp, skipPayloadCrypto) and
applicationserver/payload.go.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from local.things_stack.description.errors import ABORTED, FAILED_PRECONDITION, INVALID_ARGUMENT, ApiError
from local.things_stack.description.proto3_json import Json
from local.things_stack.network import payload_formatters
from local.things_stack.network.application_up import correlation_id
from local.things_stack.network.sessions import Session, Sessions
from local.things_stack.servers import ApplicationServer, DeviceKey

DEFAULT_ATTEMPTS, MOST_ATTEMPTS = 8, 32
_NOT_FOR_THE_NETWORK_SERVER = ("decoded_payload", "decoded_payload_warnings")


def skips_crypto(server: ApplicationServer, device: DeviceKey, session: Session | None) -> bool:
    """Whether the Application Server skips payload crypto: it is configured to, and can't unwrap the session's key.
    Without a session: whether it is configured to, whatever the key."""
    if session is not None and not session.wrapped:
        return False
    override = server.devices[device].get("skip_payload_crypto_override")
    link = server.links.get(device[0], {}).get("skip_payload_crypto", False)
    return bool(link if override is None else override)


def formatters_of(server: ApplicationServer, device: DeviceKey) -> Json:
    """The device's payload formatters, or those of its application when it has none of its own."""
    own = server.devices[device].get("formatters")
    return dict(server.links.get(device[0], {}).get("default_formatters") or {} if own is None else own)


def readable(server: ApplicationServer, device: DeviceKey, session: Session, item: Json) -> Json:
    """A queued downlink as published: decrypted and decoded, unless payload crypto is skipped."""
    if skips_crypto(server, device, session):
        return item
    return payload_formatters.decode_downlink(formatters_of(server, device), session.crypt(item))


def prepare(item: Json, formatters: Json, origins: list[str]) -> Json:
    """A copy ready to be queued: payload encoded or decoded by `formatters`, attempts counted, the correlation ids of
    the request (`origins`) added. ApiError: no payload, too many attempts, or a formatter that fails to encode."""
    own = [*item.get("correlation_ids", []), correlation_id("as:downlink"), *origins]
    item = item | {"correlation_ids": sorted(own)}
    if "frm_payload" not in item and "decoded_payload" not in item:
        raise no_payload()
    if "frm_payload" not in item:
        item = payload_formatters.encode_downlink(formatters, item)
    elif "decoded_payload" not in item:
        item = payload_formatters.decode_downlink(formatters, item)
    if item.get("confirmed"):
        item["confirmed_retry"] = {"attempt": 1} | item.get("confirmed_retry", {})
        if item["confirmed_retry"].get("max_attempts", 0) > MOST_ATTEMPTS:
            raise ApiError(INVALID_ARGUMENT, "pkg/applicationserver:downlink_max_retries_invalid",
                           "downlink maximum retries exceed configured maximum of {max}",
                           {"max": MOST_ATTEMPTS})  # fmt: skip
    return item


def check_times(items: list[Json]) -> None:
    """ApiError of the Network Server: the absolute time of a downlink is past."""
    for item in items:
        at = item.get("class_b_c", {}).get("absolute_time")
        if at is not None and datetime.fromisoformat(at) < datetime.now(UTC):
            raise ApiError(FAILED_PRECONDITION, "pkg/networkserver:downlink_expired", "the time of a downlink is past")


def no_payload() -> ApiError:
    return ApiError(INVALID_ARGUMENT, "pkg/applicationserver:no_payload", "no payload")


def enqueue(
    sessions: Sessions, items: list[Json], *, replace: bool = False, skips: Callable[[Session | None], bool],
    except_key_id: str = "",
) -> None:  # fmt: skip
    """Queues prepared items in every session except the one with `except_key_id`. `skips` is `skips_crypto` of the
    device. The Application Server numbers and encrypts the items for each session; where payload crypto is skipped, the
    application did so and chose the session. If the Network Server rejects the counters, the rejection stands when
    skipping is configured; otherwise the Application Server adopts the counters in the rejection and retries."""
    if any(not item.get("f_port") for item in items):
        raise ApiError(INVALID_ARGUMENT, "pkg/applicationserver:no_f_port", "no FPort")
    if not skips(None):
        sessions.lost = None  # the Application Server learns it from the Network Server's first refusal
    known = [*sessions.all, *([sessions.lost] if sessions.lost else [])]
    receiving = [session for session in known if session.key_id != except_key_id]
    if not receiving:
        raise ApiError(FAILED_PRECONDITION, "pkg/applicationserver:no_device_session",
                       "no device session; check device activation")  # fmt: skip
    before = [(session, session.last_a_f_cnt_down) for session in sessions.all]
    try:
        try:
            sessions.queue(_encrypted(receiving, items, skips), replace=replace)
        except ApiError as error:
            if not error.source.endswith(":f_cnt_too_low") or skips(None):
                raise
            sessions.adopt_counters(error.details[0])
            sessions.queue(_encrypted(receiving, items, skips), replace=replace)
    except ApiError:
        for session, last in before:
            session.last_a_f_cnt_down = last
        raise


def attempts_left(item: Json) -> bool:
    """Whether a confirmed downlink may be sent in the attempt that it is at."""
    retry = item["confirmed_retry"]
    return bool(retry["attempt"] <= retry.get("max_attempts", DEFAULT_ATTEMPTS))


def no_attempts_left(item: Json) -> ApiError:
    most = item["confirmed_retry"].get("max_attempts", DEFAULT_ATTEMPTS)
    return ApiError(ABORTED, "pkg/applicationserver:max_retries_reached", "no attempts of {max_retries} are left",
                    {"max_retries": most})  # fmt: skip


def _encrypted(sessions: list[Session], items: list[Json], skips: Callable[[Session | None], bool]) -> list[Json]:
    """The items for the Network Server, all of them once for each session. This includes sessions with skipped crypto:
    while a second session is pending, a downlink that names its session is sent twice, and the second is rejected for
    its counter. The Stack (3.32) behaves this way until the first uplink after a rejoin."""
    result = []
    for session in sessions:
        skipped = skips(session)
        for item in items:
            named = item.get("session_key_id") if skipped else None
            f_cnt = item.get("f_cnt", 0) if skipped else session.last_a_f_cnt_down + 1
            sent = {name: value for name, value in item.items() if name not in _NOT_FOR_THE_NETWORK_SERVER}
            sent |= {"session_key_id": named or session.key_id, "f_cnt": f_cnt}
            result.append(sent if skipped else session.crypt(sent))
            session.last_a_f_cnt_down = f_cnt
    return result
