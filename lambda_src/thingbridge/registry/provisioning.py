"""The steps that create or change an end device on the servers of The Things Stack: what each server gets, in order.

A device with its own root keys: IS → JS → NS → AS. A claimed device: IS → claim → NS → AS. A claim is looked up by the
Identity Server's record, so only this order can be resumed and undone. Deletion goes backwards: the Identity Server,
which owns the ids, is the first to know a device and the last to forget it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from thingbridge.lorawan import versions
from thingbridge.registry.attributes import NewDevice
from thingbridge.registry.marks import Mark


class Server(StrEnum):
    """The servers of The Things Stack that know end devices, by the names users see in its documentation."""

    IDENTITY = "Identity Server"
    JOIN = "Join Server"
    CLAIMING = "Device Claiming Server"
    NETWORK = "Network Server"
    APPLICATION = "Application Server"


@dataclass(frozen=True)
class Step:
    """What one server gets: the `EndDevice` object and its field mask (a creation on the Identity Server has none)."""

    server: Server
    end_device: Mapping[str, Any]
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a device is created: its application, the bare host of its cluster's servers, and its mark.

    The mark is without a digest: a partly created device must not look as if it were in step with its thing.
    """

    application_id: str
    cluster_host: str
    mark: Mark


def creation_steps(device: NewDevice, place: Place) -> tuple[Step, ...]:
    """The four steps that create a device, in order."""
    ids = _all_ids(device, place.application_id)
    named = ("ids.device_id", "ids.dev_eui", "ids.join_eui")
    addresses = {f"{name}_server_address": place.cluster_host for name in ("network", "application")}
    network = {
        "supports_join": True,
        "lorawan_version": device.mac_version,
        "lorawan_phy_version": device.phy_version,
        "frequency_plan_id": device.frequency_plan_id,
        **device.mac_settings,
    }
    mark = {"attributes": place.mark.attributes()}
    if device.claim_authentication_code:
        # A device without a Join Server address joins through a Join Server outside the cluster.
        joins = Step(Server.CLAIMING, {"ids": ids, "claim_authentication_code": device.claim_authentication_code}, ())
        identity = Step(Server.IDENTITY, {"ids": ids, **addresses, **mark}, ())
    else:
        keys = _root_keys(device)
        joins = Step(
            Server.JOIN,
            {"ids": ids, **addresses, "root_keys": keys},
            (*named, *addresses, *(f"root_keys.{key}.key" for key in keys)),
        )
        identity = Step(
            Server.IDENTITY, {"ids": ids, **addresses, "join_server_address": place.cluster_host, **mark}, ()
        )
    return (
        identity,
        joins,
        Step(Server.NETWORK, {"ids": ids, **_nested(network)}, (*named, *network)),
        Step(Server.APPLICATION, {"ids": ids}, named),
    )


def settings_step(device_id: str, application_id: str, settings: Mapping[str, Any]) -> Step:
    """Change the settings, by path, of a device that the Network Server knows."""
    return Step(Server.NETWORK, {"ids": _ids(device_id, application_id), **_nested(settings)}, tuple(settings))


def changed(settings: Mapping[str, Any], end_device: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, by path, that an `EndDevice` does not have. JSON of protobuf omits what is false."""
    return {path: value for path, value in settings.items() if _at(end_device, path, value) != value}


def _at(end_device: Mapping[str, Any], path: str, like: Any) -> Any:
    """The value at a path; what is omitted on the way is what `like` is when it is empty."""
    value: Any = end_device
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(like, Mapping) and isinstance(value, Mapping):
        return {name: value.get(name, type(each)()) for name, each in like.items()}
    return value if value is not None or isinstance(like, Mapping) else type(like)()


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1, "c": 2}` → `{"a": {"b": 1}, "c": 2}`."""
    nested: dict[str, Any] = {}
    for path, value in settings.items():
        *above, name = path.split(".")
        place = nested
        for each in above:
            place = place.setdefault(each, {})
        place[name] = value
    return nested


def root_keys_step(device: NewDevice, application_id: str) -> Step:
    """Change the root keys of a device that the Join Server knows."""
    keys = _root_keys(device)
    paths = tuple(f"root_keys.{key}.key" for key in keys)
    # The Join Server identifies devices by their EUIs.
    return Step(Server.JOIN, {"ids": _all_ids(device, application_id), "root_keys": keys}, paths)


def _ids(device_id: str, application_id: str) -> dict[str, Any]:
    return {"device_id": device_id, "application_ids": {"application_id": application_id}}


def _all_ids(device: NewDevice, application_id: str) -> dict[str, Any]:
    return _ids(device.device_id, application_id) | {"dev_eui": device.dev_eui, "join_eui": device.join_eui}


def _root_keys(device: NewDevice) -> dict[str, dict[str, str]]:
    keys = {"app_key": {"key": device.app_key or ""}}
    # A 1.0.x device with a NwkKey would derive its session from that instead of the AppKey.
    if device.nwk_key and versions.has_network_key(device.mac_version):
        keys["nwk_key"] = {"key": device.nwk_key}
    return keys
