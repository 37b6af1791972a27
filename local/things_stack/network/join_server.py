"""The Join Server's part of a join: the root key of a device, and the AppSKey as issued to the Application Server.

Reads the servers' records and changes nothing. Sources: LoRaWAN 1.0.3 and 1.1; the Stack's joinserver.go.
"""

from __future__ import annotations

from local.things_stack.description.field_masks import value_at
from local.things_stack.description.proto3_json import Json, base64_of
from local.things_stack.network import lorawan
from local.things_stack.network.dropped import Dropped
from local.things_stack.servers import Claimable, DeviceKey, JoinServer, Servers


def root_key(servers: Servers, device: DeviceKey) -> tuple[bytes, str]:
    """The root key from which the AppSKey is derived, and the MAC version. Dropped: a server lacks something."""
    network = servers.network.devices.get(device)
    if network is None:
        raise _drop(device, "the Network Server does not know the device")
    if not network.get("supports_join"):
        raise _drop(device, "the device is not set to join on the Network Server")
    claimed = _check_registrations(servers, device, _euis(network))
    version: str = network["lorawan_version"]
    if claimed is not None:
        return bytes.fromhex(claimed.app_key), version
    keys = servers.join.devices[device].get("root_keys", {})
    app_key, nwk_key = keys.get("app_key", {}).get("key"), keys.get("nwk_key", {}).get("key")
    if version == "MAC_V1_1" and not nwk_key:
        raise _drop(device, "no NwkKey specified (pkg/joinserver:no_nwk_key)")
    key = app_key if version == "MAC_V1_1" else nwk_key or app_key  # 1.0.x: the Join Server prefers the NwkKey
    if not key:
        raise _drop(device, "no AppKey specified (pkg/joinserver:no_app_key)")
    return bytes.fromhex(key), version


def key_envelope(server: JoinServer, device: DeviceKey, key: bytes) -> Json:
    """The KeyEnvelope of an AppSKey: wrapped when the application has a KEK label. Dropped: a label without a KEK, or
    a KEK label of the cluster in the device's record, because the key vault of the simulated cluster is empty."""
    if label := server.devices.get(device, {}).get("application_server_kek_label"):
        raise Dropped(f"join-request of {device[1]} dropped: the cluster has no KEK {label} (pkg/joinserver:wrap_key)")
    settings = server.settings.get(device[0], {})
    if not settings.get("kek_label"):
        return {"key": key.hex().upper()}
    kek = value_at(settings, "kek.key")
    if kek is None:
        raise Dropped(f"join-request of {device[1]} dropped: KEK not found (pkg/joinserver:kek)")
    return {"kek_label": settings["kek_label"], "encrypted_key": base64_of(lorawan.wrap(bytes.fromhex(kek), key))}


def use_dev_nonce(server: JoinServer, device: DeviceKey, nonce: int, version: str) -> None:
    """Records a DevNonce of a join-request. Dropped: it was used before, or from LoRaWAN 1.0.4 on, it is not higher
    than the last one. A claimed device is on a Join Server outside the cluster, which is not simulated to this end."""
    record = server.devices.get(device, {})
    used = record.setdefault("used_dev_nonces", [])
    if version == "MAC_V1_0_4" and used and nonce <= used[-1]:
        raise Dropped(f"join-request of {device[1]} dropped: DevNonce too small (pkg/joinserver:dev_nonce_too_small)")
    if nonce in used:
        raise Dropped(f"join-request of {device[1]} dropped: DevNonce reused (pkg/joinserver:reuse_dev_nonce)")
    used.append(nonce)


def _check_registrations(servers: Servers, device: DeviceKey, euis: tuple[str, str]) -> Claimable | None:
    """Checks that every server has the device with the same EUIs. Returns the claimed device that takes the place of a
    registration on the Join Server, None when the Join Server has one."""
    claimed = None
    if device not in servers.join.devices:
        claimed = servers.claiming.devices.get(euis)
        if claimed is None or claimed.claimed_by != device[0]:
            raise _drop(device, "the Join Server does not know the device")
    named = [(servers.application, "Application"), (servers.identity, "Identity")]
    for server, name in named if claimed else [(servers.join, "Join"), *named]:
        if device not in server.devices:
            raise _drop(device, f"the {name} Server does not know the device")
        if _euis(server.devices[device]) != euis:
            raise _drop(device, f"the {name} Server knows the device by other EUIs")
    return claimed


def _euis(record: Json) -> tuple[str, str]:
    return record["ids"].get("join_eui", ""), record["ids"].get("dev_eui", "")


def _drop(device: DeviceKey, reason: str) -> Dropped:
    return Dropped(f"join-request of {device[1]} in {device[0]} dropped: {reason}")
