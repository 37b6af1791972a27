"""The Device Claiming Server: which JoinEUIs support claiming, claim, claim status, unclaim.

The devices are on a Join Server outside the cluster (`Cluster.claimable`). Claiming does not create a device: the
claimer creates it on the Identity, Network and Application Server.
"""

from __future__ import annotations

import base64

from local.things_stack.api.call import Call, Handler
from local.things_stack.description.errors import (
    ABORTED,
    FAILED_PRECONDITION,
    INVALID_ARGUMENT,
    NOT_FOUND,
    UNIMPLEMENTED,
    ApiError,
)
from local.things_stack.description.proto3_json import Json
from local.things_stack.servers import Claimable

_TTJS = "pkg/deviceclaimingserver/enddevices/ttjsv2"
_DCS = "pkg/deviceclaimingserver"


def supports_claiming(join_eui: str) -> bool:
    """The JoinEUIs of The Things Join Server: 70B3D57ED0000000/64 and EC656E0000000000/56."""
    return join_eui == "70B3D57ED0000000" or join_eui.startswith("EC656E00000000")


def _check_supported(call: Call, join_eui: str) -> None:
    if not (call.cluster.profile.claims and supports_claiming(join_eui)):
        raise ApiError(
            ABORTED, f"{_DCS}:claiming_not_supported", "claiming not supported for JoinEUI `{eui}`", {"eui": join_eui}
        )


def _claimable(call: Call, join_eui: str, dev_eui: str) -> Claimable:
    _check_supported(call, join_eui)
    device = call.cluster.servers.claiming.devices.get((join_eui, dev_eui))
    if device is None:
        raise ApiError(NOT_FOUND, f"{_TTJS}:device_not_provisioned", "device with EUI `{dev_eui}` not provisioned",
                       {"dev_eui": dev_eui})  # fmt: skip
    return device


def _join_eui_of(qr_code: str) -> str:
    """The JoinEUI in a QR code (base64) by TR005: `LW:D0:<JoinEUI>:<DevEUI>:…`."""
    parts = base64.b64decode(qr_code).decode(errors="replace").split(":")
    if len(parts) < 4:
        raise ApiError(INVALID_ARGUMENT, f"{_DCS}:qr_code_data", "the QR code has no JoinEUI")
    return parts[2]


def claim_info(call: Call) -> Json:
    join_eui = call.body.get("join_eui", "0" * 16)
    supported = call.cluster.profile.claims and supports_claiming(join_eui)
    return {"join_eui": join_eui} | ({"supports_claiming": True} if supported else {})


def claim(call: Call) -> Json:
    identifiers = call.body.get("authenticated_identifiers")
    if identifiers is None:
        if "qr_code" in call.body:
            _check_supported(call, _join_eui_of(call.body["qr_code"]))
            raise ApiError(UNIMPLEMENTED, f"{_DCS}:qr_code", "the simulation does not read QR codes")
        raise ApiError(INVALID_ARGUMENT, f"{_DCS}:no_join_eui", "extract JoinEUI from request")
    join_eui, dev_eui = identifiers.get("join_eui", "0" * 16), identifiers.get("dev_eui", "0" * 16)
    device = _claimable(call, join_eui, dev_eui)
    if device.claimed_by is not None or device.authentication_code != identifiers.get("authentication_code"):
        raise ApiError(INVALID_ARGUMENT, f"{_TTJS}:device_access_denied",
                       "access to device with `{dev_eui}` denied: "
                       "device is already claimed or the owner token is invalid",
                       {"dev_eui": dev_eui})  # fmt: skip
    device.claimed_by = call.application_id
    ids = {"application_ids": {"application_id": call.application_id}, "dev_eui": dev_eui, "join_eui": join_eui}
    return ids | ({"device_id": call.body["target_device_id"]} if "target_device_id" in call.body else {})


def _claimed(call: Call) -> tuple[Claimable, Json]:
    """The claimed device with the EUIs of a device on the Identity Server, and the ids of that device."""
    registered = call.cluster.servers.identity.devices.get(call.device)
    if registered is None:
        raise ApiError(NOT_FOUND, f"{_DCS}:device_not_found", "device not found")
    ids = registered["ids"]
    if "join_eui" not in ids or "dev_eui" not in ids:
        raise ApiError(FAILED_PRECONDITION, f"{_DCS}:no_euis", "DevEUI/JoinEUI not set for device")
    device = _claimable(call, ids["join_eui"], ids["dev_eui"])
    if device.claimed_by != call.application_id:
        raise ApiError(
            NOT_FOUND,
            f"{_TTJS}:device_not_claimed",
            "device with EUI `{dev_eui}` not claimed",
            {"dev_eui": ids["dev_eui"]},
        )
    return device, ids


def claim_status(call: Call) -> Json:
    _, ids = _claimed(call)
    return {"end_device_ids": ids, "home_net_id": call.cluster.network.net_id}


def unclaim(call: Call) -> Json:
    device, _ = _claimed(call)
    device.claimed_by = None
    return {}


HANDLERS: dict[str, Handler] = {
    "EndDeviceClaimingServer_GetInfoByJoinEUI": claim_info,
    "EndDeviceClaimingServer_Claim": claim,
    "EndDeviceClaimingServer_GetClaimStatus": claim_status,
    "EndDeviceClaimingServer_Unclaim": unclaim,
}
